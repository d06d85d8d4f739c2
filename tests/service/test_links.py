"""Links in folders that were scanned: nothing is opened outside of what the operator allows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from blake3 import blake3

from samplemind.library import folders
from samplemind.library.model import File
from tests.service.live import Live, live
from tests.service.test_routes import ended, sound

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need privileges")

_OF_THE_FILE: Final = ("content", "preview", "peaks", "spectrogram.png")


@pytest.fixture
def allowed(tmp_path: Path) -> tuple[Path, Path]:
    """Folders that the service may scan."""
    made = tmp_path / "allowed", tmp_path / "allowed too"
    for folder in made:
        folder.mkdir()
    return made


@pytest.fixture
def service(tmp_path: Path, allowed: tuple[Path, Path]) -> Iterator[Live]:
    with live(tmp_path / "data", roots=allowed) as service:
        yield service


@pytest.fixture
def client(service: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service.url}/api/v1", timeout=60.0) as client:
        yield client


def given(client: httpx.Client, audio_id: str) -> set[int]:
    """The statuses with which what is in a file is given."""
    responses = [client.get(f"/audio/{audio_id}/{what}") for what in _OF_THE_FILE]
    refused = [response for response in responses if response.status_code != 200]
    assert {response.json()["code"] for response in refused} <= {"outside-roots"}
    assert not any(str(client.base_url) in response.text or "/" in response.json()["detail"] for response in refused)
    return {response.status_code for response in responses}


def put_in_place(link: Path, target: Path | str) -> None:
    link.unlink()
    link.symlink_to(target)


def test_a_file_that_became_a_link_is_opened_where_that_is_allowed(
    client: httpx.Client, allowed: tuple[Path, Path], tmp_path: Path
) -> None:
    data = sound()
    audio_id = blake3(data).hexdigest()
    kick = allowed[0] / "kick.wav"
    kick.write_bytes(data)
    # It was just written, so that only its size tells whether it was changed.
    scan = ended(client, client.post("/batches", json={"root": str(allowed[0]), "level": "basic"}).json()["id"])
    assert (scan["state"], scan["error"], scan["totals"]["analyzed"]) == ("done", None, 1)
    assert given(client, audio_id) == {200}

    (tmp_path / "hidden.wav").write_bytes(data)
    put_in_place(kick, tmp_path / "hidden.wav")
    assert given(client, audio_id) == {403}
    job = client.post(f"/audio/{audio_id}/analysis", params={"level": "detailed"}).json()
    assert ended(client, job["id"])["error"] == "outside-roots"
    put_in_place(kick, tmp_path / "nothing.wav")
    assert given(client, audio_id) == {403}

    for inside in (allowed[0] / "other.wav", allowed[1] / "other.wav"):
        inside.write_bytes(data)
        put_in_place(kick, inside)
        assert given(client, audio_id) == {200}


def test_a_folder_that_became_a_link_leads_nowhere(
    client: httpx.Client, allowed: tuple[Path, Path], tmp_path: Path
) -> None:
    data = sound()
    folder, outside = allowed[0] / "kicks", tmp_path / "outside"
    for each in (folder, outside):
        each.mkdir()
        (each / "kick.wav").write_bytes(data)
    ended(client, client.post("/batches", json={"root": str(folder), "level": "basic"}).json()["id"])
    folder.rename(tmp_path / "away")
    folder.symlink_to(outside)
    assert given(client, blake3(data).hexdigest()) == {403}


def test_a_scan_says_how_many_links_it_skipped(
    client: httpx.Client, allowed: tuple[Path, Path], tmp_path: Path
) -> None:
    data = sound()
    (tmp_path / "hidden.wav").write_bytes(data)
    (allowed[0] / "link.wav").symlink_to(tmp_path / "hidden.wav")
    (allowed[0] / "up").symlink_to(tmp_path)
    scan = ended(client, client.post("/batches", json={"root": str(allowed[0])}).json()["id"])
    assert (scan["state"], scan["error"], scan["totals"]["failed"]) == ("done", "outside-roots", 2)
    assert scan["reason"] == "links that lead out of the folders that are allowed were skipped: 2"
    assert client.get(f"/audio/{blake3(data).hexdigest()}").status_code == 404


def test_what_the_command_line_scanned_may_be_opened_below_its_folder(
    service: Live, client: httpx.Client, tmp_path: Path
) -> None:
    scanned = tmp_path / "scanned"
    scanned.mkdir()
    (tmp_path / "also scanned").symlink_to(scanned)
    contents = {name: sound() for name in ("real.wav", "inside.wav", "outside.wav")}
    for name, data in contents.items():
        (tmp_path if name == "outside.wav" else scanned).joinpath(f"of {name}").write_bytes(data)
    (scanned / "real.wav").write_bytes(contents["real.wav"])
    (scanned / "inside.wav").symlink_to("of inside.wav")
    (scanned / "outside.wav").symlink_to(tmp_path / "of outside.wav")
    with service.database() as database, database.writing() as session:
        root = folders.added(session, str(tmp_path / "also scanned"), time.time())
        for name, data in contents.items():
            columns = {"digest": blake3(data).hexdigest(), "size": len(data), "found_at": time.time()}
            session.add(File(root_id=root.root_id, path=name, **columns))
    statuses = {name: given(client, blake3(data).hexdigest()) for name, data in contents.items()}
    assert statuses == {"real.wav": {200}, "inside.wav": {200}, "outside.wav": {403}}
