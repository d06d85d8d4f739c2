"""SQLite files that processes share: opened, locked for one writer, kept off drives of other machines."""
