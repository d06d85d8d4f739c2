"""Keys: who may use the service. Of a key only a digest is kept; whoever has the database has no key.

A key is ``sm_<id>_<secret>``. The secret is 256 random bits, so that one round of SHA-256 hides it as well as any
number of them. A browser shows a key once, and then a cookie, which is kept in the same way and ends with its key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from samplemind.errors import NotInLibraryError
from samplemind.library.labels import label
from samplemind.library.model import Key, SignIn
from samplemind.service.identity import Caller, Scope

_KEY: Final = re.compile(r"sm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NOBODY: Final = hashlib.sha256(b"").hexdigest()
SIGN_IN_S: Final = 14 * 86_400.0
"""How long a browser stays signed in."""


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: `text` is shown once and never again."""

    id: str
    text: str


@dataclass(frozen=True)
class KnownKey:
    """What is known of a key; times in seconds since 1970."""

    id: str
    name: str
    scope: Scope
    created_at: float
    revoked_at: float | None


def create(session: Session, name: str, scope: Scope, now: float) -> NewKey:
    """Make a key.

    Args:
        session: one that writes.
        name: what its maker calls it.
        scope: what it is good for.
        now: seconds since 1970.

    Raises:
        LibraryValueError: a name that can't be one.
    """
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    session.add(Key(id=number, digest=_digest(secret), scope=str(scope), name=label(name), created_at=now))
    return NewKey(number, f"sm_{number}_{secret}")


def listed(session: Session) -> Sequence[KnownKey]:
    """All keys, the oldest first."""
    rows = session.scalars(select(Key).order_by(Key.created_at, Key.id))
    return [KnownKey(row.id, row.name, Scope(row.scope), row.created_at, row.revoked_at) for row in rows]


def any_valid(session: Session) -> bool:
    """Whether there is a key that was not revoked."""
    return bool(session.scalar(select(func.count()).select_from(Key).where(Key.revoked_at.is_(None))))


def revoke(session: Session, key_id: str, now: float) -> None:
    """Revoke a key, and sign out the browsers that showed it. Its jobs stay.

    Raises:
        NotInLibraryError: no key has this id, or it was revoked before.
    """
    found = session.scalar(select(Key).where(Key.id == key_id, Key.revoked_at.is_(None)))
    if found is None:
        raise NotInLibraryError(f"no valid key has the id {key_id}: samplemind keys list shows them")
    session.execute(update(Key).where(Key.id == key_id).values(revoked_at=now))
    session.execute(delete(SignIn).where(SignIn.key_id == key_id))


def is_key(text: str) -> bool:
    """Whether a text has the form of a key."""
    return _KEY.fullmatch(text) is not None


def is_cookie(text: str) -> bool:
    """Whether a text has the form of a cookie's value."""
    return _COOKIE.fullmatch(text) is not None


def is_valid(session: Session, key_id: str) -> bool:
    """Whether there is a key of this id that was not revoked."""
    return session.scalar(select(Key.id).where(Key.id == key_id, Key.revoked_at.is_(None))) is not None


def caller_of_key(session: Session, text: str) -> Caller | None:
    """Who shows a key; None if it is none, or none any more."""
    parts = _KEY.fullmatch(text)
    row = None
    if parts is not None:
        row = session.execute(select(Key.digest, Key.scope, Key.revoked_at).where(Key.id == parts[1])).first()
    shown = _digest(parts[2]) if parts is not None else _NOBODY
    fits = hmac.compare_digest(row.digest if row is not None else _NOBODY[::-1], shown)
    if parts is None or row is None or row.revoked_at is not None or not fits:
        return None
    return Caller(parts[1], Scope(row.scope))


def sign_in(session: Session, caller: Caller, now: float) -> str:
    """What a browser's cookie says from now on.

    Args:
        session: one that writes.
        caller: who showed a key.
        now: seconds since 1970.
    """
    session.execute(delete(SignIn).where(SignIn.expires_at < now))
    value = secrets.token_urlsafe(32)
    session.add(SignIn(digest=_digest(value), key_id=caller.id, created_at=now, expires_at=now + SIGN_IN_S))
    return value


def sign_out(session: Session, cookie: str) -> None:
    """Forget a cookie."""
    session.execute(delete(SignIn).where(SignIn.digest == _digest(cookie)))


def caller_of_cookie(session: Session, cookie: str, now: float) -> Caller | None:
    """Whose browser shows a cookie; None if nobody's, or nobody's any more.

    It is looked up by its digest: how long that takes says nothing about the value.
    """
    if not _COOKIE.fullmatch(cookie):
        return None
    valid = select(Key.id, Key.scope).join(SignIn, SignIn.key_id == Key.id)
    valid = valid.where(SignIn.digest == _digest(cookie), SignIn.expires_at > now, Key.revoked_at.is_(None))
    row = session.execute(valid).first()
    return None if row is None else Caller(row.id, Scope(row.scope))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
