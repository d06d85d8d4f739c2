"""The service: audio in, answers out, over HTTP. `docs/api.md` tells users, `docs/architecture.md` how it is made."""
