"""Folders that are watched: the library follows."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from sqlalchemy import select

from samplemind.errors import AnalysisError, FileAccessError, LibraryError, NotInLibraryError, SampleMindError
from samplemind.library import watching
from samplemind.library.forgetting import forget_root
from samplemind.library.library import Library
from samplemind.library.model import Audio, File, Root
from samplemind.library.scanning import Answer
from samplemind.settings import Settings
from tests.signals import noise

PATIENCE_S = 60.0
HOLD = """
import sys
from pathlib import Path
from samplemind.storage.writing import WriteLock
with WriteLock(Path(sys.argv[1])).held(60):
    print("held", flush=True)
    sys.stdin.read()
"""
"""Somebody who writes until standard input ends."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one sound."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "first.wav", noise(0.2), 44_100)
    return folder


@pytest.fixture
def library(tmp_path: Path, folder: Path) -> Iterator[Library]:
    """A library."""
    with Library(Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")) as library:
        yield library


class Told(list[tuple[str, Answer]]):
    """What a watch told: answers; and troubles."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: list[SampleMindError] = []


@contextlib.contextmanager
def watched(library: Library, folder: Path, **options: Any) -> Iterator[Told]:
    """A library that watches a folder in a thread; what it tells comes into the list."""
    stop = threading.Event()
    failures: queue.Queue[BaseException] = queue.Queue()
    told = Told()

    def follow() -> None:
        try:
            options.setdefault("trouble", told.troubles.append)
            told.extend(library.watch(folder, level="basic", jobs=1, stop=stop, **options))
        except SampleMindError as error:
            failures.put(error)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield told
    finally:
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


POLLING = pytest.mark.parametrize("poll", [None, True], ids=["told", "polling"])


@POLLING
def test_the_library_follows_what_happens_in_a_folder(library: Library, folder: Path, poll: bool | None) -> None:
    with watched(library, folder, poll=poll) as told:
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
        assert told.troubles == []


@POLLING
def test_a_folder_that_was_removed_and_made_anew_is_followed(library: Library, folder: Path, poll: bool | None) -> None:
    with watched(library, folder, poll=poll):
        eventually(lambda: present(library).keys() == {"first.wav"})
        for name in ("second.wav", "third.wav"):
            shutil.rmtree(folder)
            if name == "second.wav":  # the other time it is back at once, perhaps as the same inode
                eventually(lambda: not present(library))
            folder.mkdir()
            soundfile.write(folder / "back.wav", noise(0.2, seed=1), 44_100)
            eventually(lambda: present(library).keys() == {"back.wav"})
            time.sleep(2.0)  # by now a watch would not find it by what it knew before
            soundfile.write(folder / name, noise(0.2, seed=2), 44_100)
            eventually(lambda name=name: present(library).keys() == {"back.wav", name})  # type: ignore[misc]


def test_another_folder_may_take_its_place(library: Library, folder: Path, tmp_path: Path) -> None:
    """As a drive does that is mounted: nothing in the folder itself changes."""
    other = tmp_path / "other"
    other.mkdir()
    soundfile.write(other / "second.wav", noise(0.2, seed=1), 44_100)
    link = tmp_path / "link"
    link.symlink_to(folder)
    with watched(library, link):
        eventually(lambda: present(library).keys() == {"first.wav"})
        (tmp_path / "new link").symlink_to(other)
        (tmp_path / "new link").replace(link)
        eventually(lambda: present(library).keys() == {"second.wav"})
        soundfile.write(other / "third.wav", noise(0.2, seed=2), 44_100)
        eventually(lambda: present(library).keys() == {"second.wav", "third.wav"})


def test_what_the_system_does_not_tell_is_found_by_the_next_round(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.wav"
    soundfile.write(outside, noise(0.2, seed=1), 44_100)
    (folder / "link.wav").symlink_to(outside)
    (folder / "broken.wav").write_bytes(b"no sound")
    with watched(library, folder, round_s=0.5) as told:
        eventually(lambda: present(library).get("link.wav") is not None)
        before = present(library)["link.wav"]
        soundfile.write(outside, noise(0.2, seed=2), 44_100)
        eventually(lambda: present(library)["link.wav"] not in (before, None))
        rounds = scanned_at(library)
        eventually(lambda: scanned_at(library) > rounds)
        rounds = scanned_at(library)
        eventually(lambda: scanned_at(library) > rounds)
    failed = [path for path, answer in told if isinstance(answer, AnalysisError)]
    assert failed == [str(folder / "broken.wav")]  # and not in every round


def scanned_at(library: Library) -> float:
    """When all of the folder was scanned last."""
    with library.database.reading() as session:
        return session.scalars(select(Root.scanned_at)).one() or 0.0


def test_nothing_is_lost_while_another_process_keeps_the_library_busy(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_TRY_AGAIN_S", 0.2)
    library.database.write_timeout_s = 0.2
    path = library.database.path
    with watched(library, folder) as told:
        eventually(lambda: present(library).keys() == {"first.wav"})
        for number in (1, 2):
            other = subprocess.Popen(
                [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            with other:
                assert other.stdout is not None
                assert other.stdin is not None
                assert other.stdout.readline().strip() == b"held"
                soundfile.write(folder / f"{number} a.wav", noise(0.2, seed=number), 44_100)
                eventually(lambda number=number: len(told.troubles) == number)  # type: ignore[misc]
                soundfile.write(folder / f"{number} b.wav", noise(0.2, seed=10 + number), 44_100)
                time.sleep(3.0)  # it tries again meanwhile, and says nothing
                assert len(told.troubles) == number
                assert len(present(library)) == 2 * number - 1
                other.stdin.close()
                eventually(lambda number=number: len(present(library)) == 2 * number + 1)  # type: ignore[misc]
    assert all(isinstance(error, LibraryError) and "busy" in str(error) for error in told.troubles)


def test_without_anybody_to_tell_trouble_is_raised(library: Library, folder: Path) -> None:
    library.database.write_timeout_s = 0.1
    path = library.database.path
    assert path is not None
    with library.database.reading():  # it is made
        pass
    with (
        library.database.writing(),
        pytest.raises(LibraryError, match="busy"),
        contextlib.closing(library.watch(folder, level="basic", jobs=1)) as answers,
    ):
        next(answers)


def test_a_folder_that_was_forgotten_is_left_alone_until_it_is_scanned(library: Library, folder: Path) -> None:
    with watched(library, folder, round_s=1.0) as told:
        eventually(lambda: present(library).keys() == {"first.wav"})
        with library.database.writing() as session:
            forget_root(session, str(folder), really=True)
        (folder / "new").mkdir()
        soundfile.write(folder / "new" / "second.wav", noise(0.2, seed=1), 44_100)
        eventually(lambda: len(told.troubles) > 0)
        time.sleep(4.0)  # rounds, too
        with library.database.reading() as session:
            assert session.scalars(select(Root.path)).all() == []
        (trouble,) = told.troubles
        assert isinstance(trouble, NotInLibraryError)
        assert str(folder) in str(trouble)
        assert len(list(library.scan(folder, level="basic", jobs=1))) == 2
        soundfile.write(folder / "third.wav", noise(0.2, seed=2), 44_100)
        eventually(lambda: present(library).keys() == {"first.wav", "new/second.wav", "third.wav"})
    assert len(told.troubles) == 1


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("/home/.me/sounds/a.wav", "/home/.me/sounds/a.wav"),  # what is above the watched folder does not count
        ("/home/.me/sounds/Kicks/a.WAV", "/home/.me/sounds/Kicks/a.WAV"),
        ("/home/.me/sounds/Kicks", "/home/.me/sounds/Kicks"),
        ("/home/.me/sounds", "/home/.me/sounds"),
        ("/private/home/.me/sounds/Kicks/a.wav", "/home/.me/sounds/Kicks/a.wav"),  # macOS follows links
        ("/private/home/.me/sounds", "/home/.me/sounds"),
        ("/private/home/.me/other/a.wav", None),
        ("/home/.me/sounds/.a.wav", None),
        ("/home/.me/sounds/.versions/a.wav", None),
        ("/home/.me/sounds/.versions/Kicks/a.wav", None),
    ],
)
def test_only_what_a_scan_would_meet_is_a_change_under_the_name_it_was_given(told: str, named: str | None) -> None:
    folder = os.path.abspath("/home/.me/sounds")
    told_as = {os.path.abspath("/private/home/.me/sounds"): folder, folder: folder}
    found = watching._as_named(os.path.abspath(told), told_as)
    assert found == (None if named is None else os.path.abspath(named))


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    with Library(settings) as library, pytest.raises(FileAccessError, match="no such folder"):
        next(library.watch(tmp_path / "nothing"))
