"""What a caller must be good for, by method and path. What is named nowhere here needs a key."""

from __future__ import annotations

from typing import Final

from samplemind.service.identity import Scope

PREFIX: Final = "/api/v1"
_SIGNS: Final = ("healthz", "readyz")
OPEN: Final = frozenset(
    {
        *((method, f"{prefix}/{name}") for method in ("GET", "HEAD") for prefix in ("", PREFIX) for name in _SIGNS),
        ("POST", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
    }
)
"""Without a key: what tells that the service is there, and where a browser shows its key."""
UPLOADS: Final = frozenset({("POST", "/api/v1/audio"), ("POST", "/api/v1/analyze")})
"""Whose body is a file."""
SIGN_IN: Final = ("POST", "/api/v1/session")
"""Where a key may be tried without being known: each try counts as a failure."""
_ADMINS: Final = "/debug"


def required_scope(method: str, path: str) -> Scope | None:
    """What a caller's key must cover; None where nobody needs one."""
    if (method, path) in OPEN:
        return None
    if f"{path.removeprefix(PREFIX)}/".startswith(f"{_ADMINS}/"):
        return Scope.ADMIN
    return Scope.READ if method in ("GET", "HEAD") else Scope.WRITE
