"""Uploads: what is in audio/ is whole, named by what it holds, and recorded; what failed leaves nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from blake3 import blake3
from sqlalchemy import delete, select, update

from samplemind.errors import LibraryError
from samplemind.library import folders
from samplemind.library.database import Database
from samplemind.library.model import File
from samplemind.service.audio import Stored
from samplemind.service.folder import DataFolder
from samplemind.service.multipart import FormFile
from samplemind.service.problems import Problem
from samplemind.service.uploads import Uploads

AUDIO = b"RIFF" + bytes(range(256)) * 4000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    with folder.held():
        yield folder


@pytest.fixture
def database(folder: DataFolder) -> Iterator[Database]:
    database = Database(folder.path / "library.db")
    yield database
    database.close()


@pytest.fixture
def uploads(folder: DataFolder, database: Database) -> Uploads:
    return Uploads(folder, database, home="this service", min_free_bytes=1)


async def chunks(data: bytes, size: int = 1000, then: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
    if then is not None:
        raise then


def upload(uploads: Uploads, database: Database, data: bytes, name: str | None = "kick.wav") -> tuple[str, bool]:
    async def run() -> tuple[str, bool]:
        async with uploads.received(chunks(data)) as received:
            with uploads.kept(received, name) as (_, row, new):
                return row.path, new

    return anyio.run(run)


def stored(folder: DataFolder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder.audio)): path.read_bytes() for path in folder.audio.rglob("*") if path.is_file()
    }


def test_what_fails_after_it_leaves_no_upload(uploads: Uploads, database: Database, folder: DataFolder) -> None:
    async def run() -> None:
        async with uploads.received(chunks(AUDIO)) as received:
            with uploads.kept(received, "kick.wav") as (_, _, new):
                assert new == (stored(folder) != before)
                raise EOFError

    before: dict[str, bytes] = {}
    with pytest.raises(EOFError):
        anyio.run(run)
    assert stored(folder) == {}
    assert list(folder.audio.iterdir()) == list(folder.incoming.iterdir()) == []
    with database.reading() as session:
        assert session.scalars(select(File)).all() == []
    upload(uploads, database, AUDIO)
    before = stored(folder)
    with pytest.raises(EOFError):  # what was there before stays
        anyio.run(run)
    assert stored(folder) == before != {}


def test_an_upload_is_named_by_its_bytes(uploads: Uploads, database: Database, folder: DataFolder) -> None:
    digest = blake3(AUDIO).hexdigest()
    assert upload(uploads, database, AUDIO) == (f"{digest}/kick.wav", True)
    assert stored(folder) == {f"{digest}/kick.wav": AUDIO}
    assert list(folder.incoming.iterdir()) == []
    with database.reading() as session:
        [row] = session.scalars(select(File)).all()
        assert (row.digest, row.size, row.audio_id, row.error) == (digest, len(AUDIO), None, None)


def test_the_same_bytes_are_kept_once_under_their_first_name(
    uploads: Uploads, database: Database, folder: DataFolder
) -> None:
    first = upload(uploads, database, AUDIO, "one.wav")
    assert upload(uploads, database, AUDIO, "two.wav") == (first[0], False)
    assert list(stored(folder)) == [first[0]]
    assert list(folder.incoming.iterdir()) == []


def test_a_row_is_written_again_for_a_file_that_was_stored_but_not_recorded(
    uploads: Uploads, database: Database, folder: DataFolder
) -> None:
    path, _ = upload(uploads, database, AUDIO)
    with database.writing() as session:
        session.delete(session.scalars(select(File)).one())
    assert upload(uploads, database, AUDIO, "other.wav") == (path, False)


def test_a_name_tells_of_the_sound(uploads: Uploads, database: Database) -> None:
    upload(uploads, database, AUDIO, "Bass_Am_128bpm.wav")
    with database.reading() as session:
        [row] = session.scalars(select(File)).all()
        assert (row.named_tempo_bpm, row.named_key) == (128.0, "Am")


@pytest.mark.parametrize("digest_begins", ["ab", "eb", "db", "a0", "bb"])
def test_a_digest_tells_of_no_key(uploads: Uploads, database: Database, digest_begins: str) -> None:
    """Folders named by digests are read as names of samples are, and must say nothing."""
    number = next(
        number
        for number in range(100_000)
        if blake3(AUDIO + number.to_bytes(4, "big")).hexdigest().startswith(digest_begins)
    )
    upload(uploads, database, AUDIO + number.to_bytes(4, "big"), "x.wav")
    with database.reading() as session:
        [row] = session.scalars(select(File)).all()
        assert (row.named_tempo_bpm, row.named_key, row.named_sound) == (None, None, None)


@pytest.mark.parametrize("data", [b"", b"\xff" * 100_000])
def test_what_breaks_off_leaves_nothing(uploads: Uploads, database: Database, folder: DataFolder, data: bytes) -> None:
    async def run() -> None:
        async with uploads.received(chunks(data, then=ConnectionError("gone"))):
            raise AssertionError("it was not received")

    with pytest.raises(ConnectionError):
        anyio.run(run)
    assert list(folder.incoming.iterdir()) == []
    assert stored(folder) == {}


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 422), (b"<html>no audio</html>", 415), (b"#EXTM3U\nx.mp3\n", 415), (b"plain text " * 100_000, 415)],
)
def test_what_is_no_audio_is_refused(uploads: Uploads, folder: DataFolder, data: bytes, status: int) -> None:
    async def run() -> None:
        async with uploads.received(chunks(data)):
            raise AssertionError("it was received")

    with pytest.raises(Problem) as refused:
        anyio.run(run)
    assert refused.value.status == status
    assert list(folder.incoming.iterdir()) == []


def test_text_is_refused_before_all_of_it_is_read(uploads: Uploads) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"words " * 200

    async def run() -> None:
        async with uploads.received(counted()):
            raise AssertionError("it was received")

    with pytest.raises(Problem):
        anyio.run(run)
    assert read == 1


def test_a_disk_that_is_nearly_full_takes_nothing(folder: DataFolder, database: Database) -> None:
    greedy = Uploads(folder, database, home="this service", min_free_bytes=2**62)
    with pytest.raises(Problem) as refused:
        upload(greedy, database, AUDIO)
    assert (refused.value.status, refused.value.code) == (507, "disk-full")
    assert list(folder.incoming.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_disk_that_becomes_full_is_told(
    uploads: Uploads, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Uploads._opened

    def on_a_full_disk(self: Uploads, path: Path) -> object:
        opened(self, path).close()
        return open("/dev/full", "wb", buffering=0)

    monkeypatch.setattr(Uploads, "_opened", on_a_full_disk)

    async def run() -> None:
        async with uploads.received(chunks(AUDIO)):
            raise AssertionError("it was received")

    with pytest.raises(Problem) as refused:
        anyio.run(run)
    assert refused.value.status == 507
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.ENOSPC
    assert list(folder.incoming.iterdir()) == []


def test_an_upload_can_be_taken_away(uploads: Uploads, database: Database, folder: DataFolder) -> None:
    upload(uploads, database, AUDIO)
    uploads.remove(blake3(AUDIO).hexdigest())
    assert stored(folder) == {}
    assert list(folder.incoming.iterdir()) == []
    with database.reading() as session:
        assert session.scalars(select(File)).all() == []


def test_what_was_scanned_is_not_taken_away(uploads: Uploads, database: Database, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs" / "theirs.wav"
    theirs.parent.mkdir()
    theirs.write_bytes(AUDIO)
    with database.writing() as session:
        root = folders.added(session, str(theirs.parent), 0.0)
        digest = blake3(AUDIO).hexdigest()
        session.add(File(root_id=root.root_id, path="theirs.wav", size=1, digest=digest, found_at=0.0))
    with pytest.raises(Problem) as refused:
        uploads.remove(digest)
    assert refused.value.status == 409
    assert theirs.read_bytes() == AUDIO


def test_what_could_not_be_taken_out_of_the_library_stays(
    uploads: Uploads, database: Database, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = upload(uploads, database, AUDIO)

    def broken(*_: object) -> None:
        raise LibraryError("the disk is full")

    monkeypatch.setattr("samplemind.service.uploads.forget_file", broken)
    with pytest.raises(LibraryError):
        uploads.remove(blake3(AUDIO).hexdigest())
    assert stored(folder) == {path: AUDIO}


def test_what_was_never_recorded_is(uploads: Uploads, database: Database, folder: DataFolder) -> None:
    path, _ = upload(uploads, database, AUDIO)
    other, _ = upload(uploads, database, AUDIO + AUDIO)
    with database.writing() as session:
        session.execute(delete(File).where(File.path == path))  # as if it had been killed before
        session.execute(update(File).where(File.path == other).values(digest=None))  # as a scan leaves what failed
    uploads.adopt()
    with database.reading() as session:
        assert {row.path: row.digest for row in session.scalars(select(File))} == {
            each: each.partition("/")[0] for each in (path, other)
        }
    assert set(stored(folder)) == {path, other}


def test_an_upload_has_one_row(uploads: Uploads, database: Database) -> None:
    path, _ = upload(uploads, database, AUDIO)
    digest = blake3(AUDIO).hexdigest()
    with database.writing() as session:
        row = session.scalars(select(File)).one()
        session.add(File(root_id=row.root_id, path=f"{digest}/ghost.wav", digest=digest, size=1, found_at=0.0))
    assert upload(uploads, database, AUDIO) == (path, False)
    with database.reading() as session:
        assert session.scalars(select(File.path)).all() == [path]
    uploads.remove(digest)
    with database.reading() as session:
        assert session.scalars(select(File.path)).all() == []


def test_what_was_being_received_is_removed_at_the_start(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.held() as first:
        (folder.incoming / "torn").mkdir()
        (folder.incoming / "torn" / "body").write_bytes(b"RIFF")
    with folder.held() as again:
        assert list(folder.incoming.iterdir()) == []
        assert again == first


def form(*parts: tuple[str, str | None, bytes], boundary: str = "xyz") -> bytes:
    body = b""
    for field, filename, data in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode() + data + b"\r\n"
        )
    return body + f"--{boundary}--\r\n".encode()


def read_form(
    body: bytes, size: int, content_type: str = "multipart/form-data; boundary=xyz"
) -> tuple[bytes, str | None]:
    async def run() -> tuple[bytes, str | None]:
        file = FormFile(chunks(body, size), content_type)
        data = b"".join([piece async for piece in file])
        return data, file.name

    return anyio.run(run)


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_a_form_gives_its_file_however_it_is_cut(size: int) -> None:
    data = os.urandom(3000) + b"\r\n--xy\r\n--xyz?" + os.urandom(10)
    body = form(("other", None, b"no file"), ("file", "a b.wav", data), ("more", "b.wav", b"RIFF"))
    assert read_form(body, size) == (data, "a b.wav")


@pytest.mark.parametrize(
    "body",
    [
        form(("other", "a.wav", b"RIFF")),
        form(("file", "a.wav", b"RIFF"), ("file", "b.wav", b"RIFF")),
        form(("file", "a.wav", b"RIFF" * 1000))[:-10],
        b"no form at all",
        b"",
    ],
)
def test_a_form_without_one_whole_file_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_form(body, 100)
    assert (refused.value.status, refused.value.code) == (400, "malformed-form")


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(Problem):
        read_form(b"", 1, "multipart/form-data")
    with pytest.raises(Problem):
        read_form(b"", 1, "multipart/form-data; boundary=" + "x" * 1000)


def test_the_file_of_a_row_is_found(uploads: Uploads, database: Database, folder: DataFolder) -> None:
    path, _ = upload(uploads, database, AUDIO, "../Kick.wav")
    with database.reading() as session:
        file = Stored(session.scalars(select(File)).one(), str(folder.audio))
    assert file.name == "Kick.wav"
    assert file.path == folder.audio / path
