"""Folders that are watched: the library follows."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from sqlalchemy import select
from watchfiles import Change

from samplemind.errors import FileAccessError, SampleMindError
from samplemind.library import watching
from samplemind.library.library import Library
from samplemind.library.model import Audio, File
from samplemind.settings import Settings
from tests.signals import noise

PATIENCE_S = 60.0

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one sound."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "first.wav", noise(0.2), 44_100)
    return folder


@pytest.fixture(params=[None, True], ids=["told", "polling"])
def library(tmp_path: Path, folder: Path, request: pytest.FixtureRequest) -> Iterator[Library]:
    """A library that watches the folder in a thread."""
    stop = threading.Event()
    failures: queue.Queue[BaseException] = queue.Queue()
    with Library(Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")) as library:

        def follow() -> None:
            try:
                for _ in library.watch(folder, level="basic", jobs=1, stop=stop, poll=request.param):
                    pass
            except SampleMindError as error:
                failures.put(error)

        thread = threading.Thread(target=follow)
        thread.start()
        yield library
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert failures.empty(), failures.get()


def present(library: Library) -> dict[str, str | None]:
    """Digests of the sounds of files that are there, by path."""
    with library.database.reading() as session:
        rows = session.execute(select(File.path, Audio.digest).outerjoin(Audio).where(File.missing_since.is_(None)))
        return {row.path: row.digest for row in rows}


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def test_the_library_follows_what_happens_in_a_folder(library: Library, folder: Path) -> None:
    eventually(lambda: present(library).keys() == {"first.wav"})
    first = present(library)["first.wav"]

    (folder / "new").mkdir()
    soundfile.write(folder / "new" / "second.wav", noise(0.2, seed=1), 44_100)
    (folder / "notes.txt").write_text("not a sound")
    eventually(lambda: present(library).keys() == {"first.wav", "new/second.wav"})

    shutil.move(folder / "first.wav", folder / "new" / "moved.wav")
    eventually(lambda: present(library).keys() == {"new/moved.wav", "new/second.wav"})
    assert present(library)["new/moved.wav"] == first

    soundfile.write(folder / "new" / "moved.wav", noise(0.3, seed=2), 44_100)
    eventually(lambda: present(library)["new/moved.wav"] not in (first, None))

    (folder / "new").rename(folder / "renamed")
    eventually(lambda: present(library).keys() == {"renamed/moved.wav", "renamed/second.wav"})

    shutil.rmtree(folder / "renamed")
    eventually(lambda: not present(library))


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("/home/.me/sounds/a.wav", True),  # what is above the watched folder does not count
        ("/home/.me/sounds/Kicks/a.WAV", True),
        ("/home/.me/sounds/Kicks", True),
        ("/home/.me/sounds", True),
        ("/home/.me/sounds/.a.wav", False),
        ("/home/.me/sounds/.versions/a.wav", False),
        ("/home/.me/sounds/.versions/Kicks/a.wav", False),
    ],
)
def test_what_a_scan_would_skip_is_no_change(path: str, *, matters: bool) -> None:
    path = os.path.abspath(path)
    assert watching._matters([os.path.abspath("/home/.me/sounds")], Change.added, path) is matters


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    with Library(settings) as library, pytest.raises(FileAccessError, match="no such folder"):
        next(library.watch(tmp_path / "nothing"))
