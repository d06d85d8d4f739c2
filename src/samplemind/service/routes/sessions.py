"""Signing in: a browser shows a key once, and a cookie from then on, which no script can read."""

from __future__ import annotations

import time

import anyio
from fastapi import APIRouter, Request, Response

from samplemind.service import keys
from samplemind.service.answers import KeyIn, SessionOut
from samplemind.service.caching import once
from samplemind.service.documents import NO_KEY, problems
from samplemind.service.identity import Caller
from samplemind.service.parts import CallerPart, ServicePart
from samplemind.service.problems import Problem

router = APIRouter(prefix="/session", tags=["session"])

COOKIE = "samplemind"


@router.post("", response_model=SessionOut, responses=problems(401), openapi_extra=NO_KEY)
async def sign_in(service: ServicePart, body: KeyIn) -> Response:
    """Show a key, and get a cookie for it."""

    def found() -> Caller | None:
        with service.database.reading() as session:
            return keys.caller_of_key(session, body.key)

    caller = await anyio.to_thread.run_sync(found)  # no stranger waits for those who write, nor has them wait
    if caller is None:
        raise Problem(401, "this is no valid key", code="unauthorized", headers={"WWW-Authenticate": "Bearer"})

    def begun() -> str:
        with service.database.writing() as session:
            return keys.sign_in(session, caller, time.time())

    value = await service.turns.take(begun)
    answer = once({"id": caller.id, "scope": str(caller.scope)})
    answer.set_cookie(
        COOKIE,
        value,
        max_age=round(keys.SIGN_IN_S),
        httponly=True,
        samesite="strict",
        secure=service.configuration.secure_cookies,
    )
    return answer


@router.get("", response_model=SessionOut, responses=problems())
def who(caller: CallerPart) -> Response:
    """Who is asking."""
    return once({"id": caller.id, "scope": str(caller.scope)})


@router.delete("", status_code=204, responses=problems(), openapi_extra=NO_KEY)
async def sign_out(request: Request, service: ServicePart) -> Response:
    """Forget the cookie."""
    value = request.cookies.get(COOKIE, "")

    def known() -> bool:
        with service.database.reading() as session:
            return keys.caller_of_cookie(session, value, time.time()) is not None

    def ended() -> None:
        with service.database.writing() as session:
            keys.sign_out(session, value)

    if keys.is_cookie(value) and await anyio.to_thread.run_sync(known):
        await service.turns.take(ended)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=service.configuration.secure_cookies)
    return answer
