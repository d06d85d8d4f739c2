"""Two services with a data folder each, on one PostgreSQL library: what is known is shared, files and work are not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from samplemind.errors import SettingsError
from samplemind.service.folder import DataFolder
from tests.servers import PostgresServer
from tests.service.live import live
from tests.service.test_routes import analyzed, ended, sound, uploaded

PATIENCE_S: Final = 60.0
_OF_THE_FILE: Final = ("content", "preview", "peaks", "spectrogram.png")


@pytest.fixture
def library(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)


@contextlib.contextmanager
def service(folder: Path, library: str, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a service on a library, until the end of the block."""
    with (
        live(folder, library_url=library, **settings) as running,
        httpx.Client(base_url=f"{running.url}/api/v1", timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture
def pair(library: str, tmp_path: Path) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with service(tmp_path / "a", library) as a, service(tmp_path / "b", library) as b:
        yield a, b


def told(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("code")


def hang(client: httpx.Client, data: bytes) -> str:
    """The id of a job that a service works on, and does not end."""
    job: str = client.post(f"/audio/{uploaded(client, data, 'hang.wav')}/analysis").json()["id"]
    give_up = time.monotonic() + PATIENCE_S
    while client.get(f"/jobs/{job}").json()["state"] != "running":
        assert time.monotonic() < give_up
        time.sleep(0.02)
    return job


def test_each_analyses_what_was_uploaded_to_it(pair: tuple[httpx.Client, httpx.Client]) -> None:
    batches = []
    for each in pair * 2:
        ids = [uploaded(each, sound()) for _ in range(5)]
        batches.append((each, each.post("/batches", json={"ids": ids, "level": "basic"}).json()["id"]))
    for each, batch in batches:
        totals = ended(each, batch)["totals"]
        assert (totals["done"], totals["failed"]) == (5, 0)
    assert [len(each.get("/search").json()["items"]) for each in pair] == [20, 20]


def test_what_one_knows_the_other_one_answers(pair: tuple[httpx.Client, httpx.Client]) -> None:
    a, b = pair
    document = analyzed(a, sound(), "Kick.wav")
    audio_id = document["file_digest"]
    assert b.get(f"/audio/{audio_id}/analysis").json() == document
    assert b.post(f"/audio/{audio_id}/analysis").json() == document
    b.put(f"/audio/{audio_id}/tags/shared")
    assert [item["id"] for item in a.get("/search", params={"q": "tag:shared"}).json()["items"]] == [audio_id]
    batch = ended(b, b.post("/batches", json={"ids": [audio_id]}).json()["id"])
    assert batch["totals"]["done"] == 1


def test_what_only_the_other_one_keeps_is_refused(pair: tuple[httpx.Client, httpx.Client]) -> None:
    a, b = pair
    data = sound()
    audio_id = uploaded(a, data)
    for method, of in (("POST", "analysis"), ("DELETE", ""), *(("GET", of) for of in _OF_THE_FILE)):
        response = b.request(method, f"/audio/{audio_id}/{of}".rstrip("/"))
        assert told(response) == (409, "kept-elsewhere"), (method, of)
        assert "another service" in response.json()["detail"]
    assert told(b.post("/batches", json={"ids": [audio_id]})) == (409, "kept-elsewhere")
    assert b.get("/jobs").json()["items"] == []
    assert b.get(f"/audio/{audio_id}").status_code == 200

    assert uploaded(b, data, "Mine.wav") == audio_id
    assert b.get(f"/audio/{audio_id}").json()["name"] == "Mine.wav"
    assert b.get(f"/audio/{audio_id}/content").content == data
    assert ended(b, b.post(f"/audio/{audio_id}/analysis").json()["id"])["state"] == "done"
    assert a.get(f"/audio/{audio_id}/analysis").status_code == 200
    assert b.delete(f"/audio/{audio_id}").status_code == 204
    assert told(b.get(f"/audio/{audio_id}/content")) == (409, "kept-elsewhere")
    assert a.get(f"/audio/{audio_id}/content").content == data


def test_what_the_other_one_works_on_is_joined_while_it_lives(library: str, tmp_path: Path, misbehaving: None) -> None:
    data = sound()
    with service(tmp_path / "b", library) as b:
        with service(tmp_path / "a", library, stop_s=0.1) as a:
            job = hang(a, data)
            audio_id = a.get(f"/jobs/{job}").json()["subject"]
            response = b.post(f"/audio/{audio_id}/analysis")
            assert (response.status_code, response.json()["id"]) == (202, job)
            uploaded(b, data, "kick.wav")
            assert b.post(f"/audio/{audio_id}/analysis").json()["id"] == job
            other = uploaded(a, sound(), "snare.wav")
            waits = a.post(f"/audio/{other}/analysis").json()["id"]
        # That one is gone, and may never come back.
        assert b.get(f"/jobs/{job}").json()["state"] == "queued"
        own = b.post(f"/audio/{audio_id}/analysis").json()["id"]
        assert own != job
        assert ended(b, own)["state"] == "done"
        assert told(b.post(f"/audio/{other}/analysis")) == (409, "kept-elsewhere")
        assert {b.get(f"/jobs/{each}").json()["state"] for each in (job, waits)} == {"queued"}
        assert b.delete(f"/jobs/{waits}").json()["state"] == "cancelled"
        with service(tmp_path / "a", library) as a:  # it does come back; and the answer is known by now
            assert ended(a, job)["state"] == "done"


def test_a_job_of_one_is_cancelled_at_the_other(
    library: str, tmp_path: Path, misbehaving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samplemind.service.runner._KEEP_S", 0.05)
    with service(tmp_path / "a", library) as a, service(tmp_path / "b", library) as b:
        assert b.delete(f"/jobs/{hang(a, sound())}").json()["state"] == "cancelled"
        assert analyzed(a, sound())["path"] == "sound.wav"


def test_a_data_folder_is_held_by_one(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data").held() as home:
        with pytest.raises(SettingsError, match="another service runs"), DataFolder(tmp_path / "data").held():
            pass
        with DataFolder(tmp_path / "other").held() as other:
            assert other != home
    with DataFolder(tmp_path / "data").held() as again:
        assert again == home
