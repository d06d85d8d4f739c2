"""Receipts: a request with an Idempotency-Key that comes again is answered as it was, and does nothing.

As the IETF's draft "The Idempotency-Key HTTP Header Field" describes it. Who keeps a receipt of what can be taken away
looks whether it still is there.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from samplemind.library.model import Receipt
from samplemind.service.problems import Problem

KEPT_S: Final = 86_400.0
"""How long a request may be sent again."""


def found(session: Session, owner: str, key: str | None, request: str) -> tuple[int, dict[str, Any]] | None:
    """Status and answer of a request that was made before; None if it was not, or has no key.

    Raises:
        Problem: the key was used for something else.
    """
    if key is None:
        return None
    row = session.scalar(
        select(Receipt).where(Receipt.owner == owner, Receipt.key == key, Receipt.created_at > time.time() - KEPT_S)
    )
    if row is None:
        return None
    if row.request != _digest(request):
        raise Problem(422, "this Idempotency-Key was used for another request", code="key-used-before")
    return row.status, row.answer


def keep(session: Session, owner: str, key: str | None, request: str, status: int, answer: dict[str, Any]) -> None:
    """Keep an answer for a day, in place of one before, if the request has a key. `session` writes."""
    if key is None:
        return
    now = time.time()
    session.execute(delete(Receipt).where(Receipt.created_at <= now - KEPT_S))
    session.merge(Receipt(owner=owner, key=key, request=_digest(request), status=status, answer=answer, created_at=now))


def _digest(request: str) -> str:
    return hashlib.sha256(request.encode()).hexdigest()
