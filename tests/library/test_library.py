"""The library for programs in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from samplemind import Library
from samplemind.errors import LibraryValueError, NotInLibraryError, QueryError
from samplemind.library.database import Database
from samplemind.settings import Settings
from tests.signals import clicks, noise, sine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sounds."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "hiss.wav", noise(0.3), 44_100)
    soundfile.write(folder / "tone.wav", sine(220, 0.5), 44_100)
    soundfile.write(folder / "loop.wav", clicks(120, 8.0), 44_100)
    return folder


@pytest.fixture
def library(place: Path | str, tmp_path: Path, folder: Path) -> Iterator[Library]:
    """A library of these."""
    where = {"data_dir": place.parent} if isinstance(place, Path) else {"library_url": place}
    with Library(Settings(cache_dir=tmp_path / "cache", **where)) as library:
        assert len(list(library.scan(folder, jobs=0))) == 3
        yield library


def test_sounds_are_found_corrected_and_tagged(library: Library, folder: Path) -> None:
    assert [entry.name for entry in library.search("sort:name").entries] == ["hiss.wav", "loop.wav", "tone.wav"]
    (loop,) = library.search("tempo:120 kind:loop").entries
    assert (loop.name, loop.files[0].path) == ("loop.wav", str(folder / "loop.wav"))

    library.correct(folder / "loop.wav", tempo=60, key="F#m")
    (found,) = library.search("key:F#m").entries
    assert found.tempo_bpm == 60.0
    assert found.corrected["tempo_bpm"] == loop.tempo_bpm
    library.correct(folder / "loop.wav", tempo=None, key=None)
    assert library.search("tempo:120 kind:loop").entries == (loop,)

    library.tag([folder / "loop.wav", folder / "tone.wav"], "used", "Good One")
    assert len(library.search('tag:used tag:"good one"').entries) == 2
    library.untag(folder, "used")
    assert library.search("tag:used").entries == ()


def test_pages_follow_each_other(library: Library) -> None:
    first = library.search("sort:-duration", limit=2)
    rest = library.search("sort:-duration", limit=2, cursor=first.cursor)
    assert [entry.name for entry in (*first.entries, *rest.entries)] == ["loop.wav", "tone.wav", "hiss.wav"]
    assert rest.cursor is None


def test_what_was_measured_is_kept_whole(library: Library, folder: Path) -> None:
    measured = library.engine.analyze_audio(folder / "loop.wav")
    assert library.features(folder / "loop.wav") == measured
    (folder / "loop.wav").unlink()
    again = library.features(measured.audio_digest[:12])
    assert again == measured


def test_mistakes_are_told_also_while_somebody_writes(library: Library, folder: Path, place: Path | str) -> None:
    """To find what is meant, whole files may be read: nobody has to wait for that."""
    soundfile.write(folder / "new.wav", noise(0.2, seed=1), 44_100)
    library.database.write_timeout_s = 0.1
    other = Database(place)
    with other.writing():
        with pytest.raises(NotInLibraryError, match="scan its folder first"):
            library.correct(folder / "new.wav", tempo=60)
        for change in (library.tag, library.untag):
            with pytest.raises(NotInLibraryError, match="scan its folder first"):
                change(folder / "new.wav", "used")
    other.close()


def test_mistakes_change_nothing(library: Library, folder: Path) -> None:
    with pytest.raises(LibraryValueError, match="tempo"):
        library.correct(folder, tempo="fast")
    with pytest.raises(LibraryValueError, match="loudness"):
        library.correct(folder, loudness=3)
    with pytest.raises(NotInLibraryError, match="other"):
        library.tag([folder / "loop.wav", folder / "other.wav"], "used")
    with pytest.raises(QueryError, match="column 1"):
        library.search("temppo:120")
    assert library.search("is:corrected").entries == library.search("is:tagged").entries == ()
