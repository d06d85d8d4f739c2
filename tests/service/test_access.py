"""Every route, asked without a key, with a wrong one, and with one that is not good enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from samplemind.service import keys
from samplemind.service.app import application
from samplemind.service.identity import Scope
from tests.service.live import Live, live

PATHS: Final[dict[str, Any]] = application(lambda: None).openapi()["paths"]  # type: ignore[arg-type,return-value]
ROUTES: Final = [(method.upper(), path) for path, operations in PATHS.items() for method in operations]
ALIASES: Final = [("GET", "/metrics"), ("GET", "/debug/stats"), ("GET", "/debug/profile")]
OPEN: Final = {
    ("GET", "/api/v1/healthz"),
    ("GET", "/api/v1/readyz"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
}
ADMIN: Final = {("GET", "/api/v1/debug/stats"), ("GET", "/api/v1/debug/profile"), *ALIASES[1:]}
CLOSED: Final = [route for route in [*ROUTES, *ALIASES] if route not in OPEN]


def needed(method: str, path: str) -> Scope:
    if (method, path) in ADMIN:
        return Scope.ADMIN
    return Scope.READ if method == "GET" else Scope.WRITE


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, dict[Scope, str]]]:
    with live(tmp_path_factory.mktemp("access") / "data", open=False, requests_per_s=1e6, burst=10**6) as service:
        with service.database() as database, database.writing() as session:
            made = {scope: keys.create(session, str(scope), scope, time.time()).text for scope in Scope}
        yield service, made


def ask(service: Live, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
    filled = path.replace("{audio_id}", "0" * 64).replace("{job_id}", "1" * 32)
    filled = filled.replace("/profile", "/profile?seconds=0.1").replace("{tag}", "used").replace("{name}", "best")
    headers = {**({"Authorization": f"Bearer {key}"} if key is not None else {}), **options.pop("headers", {})}
    return httpx.request(method, f"{service.url}{filled}", headers=headers, timeout=30, **options)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_nobody_is_let_in_without_a_key(service: tuple[Live, dict[Scope, str]], method: str, path: str) -> None:
    live, made = service
    other = "sm_" + "0" * 12 + "_" + "A" * 43
    credentials: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {other}"},
        {"Authorization": f"Basic {made[Scope.ADMIN]}"},
        {"Cookie": f"samplemind={other}"},
        {"Cookie": f"samplemind={made[Scope.ADMIN]}"},
    ]
    for headers in credentials:
        response = ask(live, method, path, headers=headers)
        # Whoever tries too often is told to wait, and let in no more than before.
        assert response.status_code in (401, 429), headers
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_weaker_key_is_not_enough(service: tuple[Live, dict[Scope, str]], method: str, path: str) -> None:
    live, made = service
    for scope, key in made.items():
        status = ask(live, method, path, key).status_code
        if scope.covers(needed(method, path)):
            assert status not in (401, 403)
        else:
            assert status == 403


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_is_open_needs_no_key(service: tuple[Live, dict[Scope, str]], method: str, path: str) -> None:
    assert ask(service[0], method, path).status_code in (200, 204, 422)


def test_a_browser_shows_a_key_once(service: tuple[Live, dict[Scope, str]]) -> None:
    live, made = service
    with httpx.Client(base_url=live.url) as browser:
        assert browser.post("/api/v1/session", json={"key": "sm_wrong"}).status_code in (401, 429)
        time.sleep(1.1)  # wrong keys are tried once a second
        signed_in = browser.post("/api/v1/session", json={"key": made[Scope.WRITE]})
        assert signed_in.status_code == 200
        cookie = signed_in.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert made[Scope.WRITE] not in signed_in.headers["set-cookie"]
        assert browser.get("/api/v1/session").json()["scope"] == "write"
        assert browser.get("/api/v1/debug/stats").status_code == 403
        assert (
            browser.put("/api/v1/collections/a", json={}, headers={"Origin": "http://evil.example"}).status_code == 403
        )
        assert browser.put("/api/v1/collections/a", json={}, headers={"Origin": live.url}).status_code == 201
        value = browser.cookies["samplemind"]
        assert browser.delete("/api/v1/session").status_code == 204
        assert "samplemind" not in browser.cookies
        stolen = httpx.get(f"{live.url}/api/v1/session", headers={"Cookie": f"samplemind={value}"})
        assert stolen.status_code in (401, 429)


def test_jobs_are_seen_by_their_owner_and_by_admins(service: tuple[Live, dict[Scope, str]]) -> None:
    live, made = service
    with live.database() as database, database.writing() as session:
        other = keys.create(session, "other", Scope.WRITE, time.time()).text
    sound = b"RIFF" + bytes(100_000)
    audio_id = ask(live, "POST", "/api/v1/audio", made[Scope.WRITE], content=sound).json()["id"]
    job = ask(live, "POST", f"/api/v1/audio/{audio_id}/analysis", made[Scope.WRITE])
    assert job.status_code == 202
    path = job.headers["location"]
    seen = {name: ask(live, "GET", path, key).status_code for name, key in {**made, "other": other}.items()}
    assert seen == {Scope.READ: 404, Scope.WRITE: 200, Scope.ADMIN: 200, "other": 404}
    assert ask(live, "DELETE", path, other).status_code == 404
    assert ask(live, "GET", f"{path}/events", other).status_code == 404
    assert path.rpartition("/")[2] not in ask(live, "GET", "/api/v1/jobs", other).text
    # The library is everybody's.
    assert ask(live, "GET", f"/api/v1/audio/{audio_id}", other).status_code == 200


def test_a_revoked_key_is_none_at_once(service: tuple[Live, dict[Scope, str]]) -> None:
    live, _ = service
    with live.database() as database, database.writing() as session:
        key = keys.create(session, "gone", Scope.READ, time.time())
    assert ask(live, "GET", "/api/v1/tags", key.text).status_code == 200
    with live.database() as database, database.writing() as session:
        keys.revoke(session, key.id, time.time())
    assert ask(live, "GET", "/api/v1/tags", key.text).status_code in (401, 429)
