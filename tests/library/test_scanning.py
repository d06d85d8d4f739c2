"""Scans: what is new is analysed, what is known costs a look, and nothing is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from sqlalchemy import func, select, text, update

from samplemind import AudioEngine, AudioFeatures
from samplemind.audio import Limits, StatKey
from samplemind.errors import AnalysisError, DecodeError, FileAccessError, LibraryError
from samplemind.features import feature_graph
from samplemind.features.levels import AnalysisLevel
from samplemind.library import folders, freshness, scanning
from samplemind.library.account import Totals
from samplemind.library.database import Database
from samplemind.library.forgetting import forget_root
from samplemind.library.library import Library
from samplemind.library.model import Analysis, Audio, Correction, File, Job, Root, Tag, Word
from samplemind.library.records import Found, record
from samplemind.library.scanning import Scan
from samplemind.settings import Settings
from tests.library.conftest import Statements
from tests.signals import noise

ScanOf = Callable[..., tuple[dict[str, Any], Totals]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the clock is ahead, to be set: files count as left alone then."""
    ahead = [10.0]
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + round(ahead[0] * 1e9))
    return ahead


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve sounds in two folders, and a file that is none."""
    folder = tmp_path / "sounds"
    for number in range(12):
        path = folder / ("Kicks" if number < 6 else "Snares") / f"sound {number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(0.1 + number / 100, seed=number), 44_100)
    (folder / "broken.wav").write_bytes(b"broken")
    return folder


@pytest.fixture
def scan(database: Database, engine: AudioEngine, clock: list[float]) -> ScanOf:
    """Scan paths in this process: answers by path, and totals."""

    def scan(*paths: Path, level: str = "basic", **options: Any) -> tuple[dict[str, Any], Totals]:
        analyze = functools.partial(engine.batch_analyze, level=level, jobs=0)
        scanned = Scan(database, map(str, paths), level=AnalysisLevel(level), analyze=analyze, **options)
        return dict(scanned), scanned.totals

    return scan


def files(database: Database) -> dict[str, File]:
    """Rows of files by path below their root."""
    with database.reading() as session:
        return {file.path: file for file in session.scalars(select(File))}


def count(database: Database, table: Any) -> int:
    """How many rows a table has."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def audio_of(database: Database, path: str) -> Audio:
    """The entry of a file."""
    with database.reading() as session:
        return session.scalars(select(Audio).join(File).where(File.path == path)).one()


def test_totals_are_honest_and_unchanged_files_cost_a_look(database: Database, scan: ScanOf, folder: Path) -> None:
    answers, totals = scan(folder)
    assert totals == Totals(analyzed=12, failed=1)
    assert len(answers) == totals.files == 13
    assert sum(isinstance(answer, AudioFeatures) for answer in answers.values()) == 12
    assert isinstance(answers[str(folder / "broken.wav")], AnalysisError)
    rows = files(database)
    assert len(rows) == 13
    assert rows["broken.wav"].error == type(answers[str(folder / "broken.wav")]).__name__
    assert rows["Kicks/sound 3.wav"].named_sound == "kick"
    features = answers[str(folder / "Kicks" / "sound 3.wav")]
    audio = audio_of(database, "Kicks/sound 3.wav")
    assert (audio.digest, audio.duration_s, audio.name) == (features.audio_digest, features.duration_s, "sound 3.wav")
    assert audio.files_present == 1

    again, totals = scan(folder)
    assert totals == Totals(unchanged=12, failed=1)
    assert {path: error.reason for path, error in again.items()} == {
        str(folder / "broken.wav"): answers[str(folder / "broken.wav")].reason
    }


def test_the_whole_answer_is_kept(database: Database, scan: ScanOf, folder: Path) -> None:
    answers, _ = scan(folder, level="standard")
    features = answers[str(folder / "Kicks" / "sound 0.wav")]
    with database.reading() as session:
        document = session.scalars(
            select(Analysis.document).join(Audio).where(Audio.digest == features.audio_digest)
        ).one()
    own = {"path", "file_digest", "file_size_bytes", "container", "codec", "bit_depth", "warnings"}
    assert document == {name: value for name, value in features.to_dict().items() if name not in own}


def test_what_is_renamed_keeps_all_that_was_said_of_it(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    audio = audio_of(database, "Kicks/sound 3.wav")
    with database.writing() as session:
        session.add(Tag(audio_id=audio.id, name="favourite"))
        session.add(Correction(audio_id=audio.id, field="tempo", value="123", set_at=1.0))
    before = files(database)
    (folder / "Kicks").rename(folder / "Drums")
    (folder / "Snares" / "sound 7.wav").rename(folder / "sieben.wav")
    answers, totals = scan(folder)
    assert totals == Totals(known=7, unchanged=5, failed=1)
    assert list(answers) == [str(folder / "broken.wav")]
    after = files(database)
    assert {file.id for file in after.values()} == {file.id for file in before.values()}
    assert after["Drums/sound 3.wav"].id == before["Kicks/sound 3.wav"].id
    assert after["sieben.wav"].id == before["Snares/sound 7.wav"].id
    now = audio_of(database, "Drums/sound 3.wav")
    assert (now.id, now.tempo_bpm) == (audio.id, 123.0)
    assert count(database, Tag) == count(database, Correction) == 1
    assert scan(folder)[1] == Totals(unchanged=12, failed=1)


def test_one_sound_in_several_places_is_one_entry(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    shutil.copy(folder / "Kicks" / "sound 1.wav", folder / "copy.wav")
    assert scan(folder)[1] == Totals(known=1, unchanged=12, failed=1)
    assert count(database, Audio) == 12
    audio = audio_of(database, "copy.wav")
    assert audio.id == audio_of(database, "Kicks/sound 1.wav").id
    assert (audio.files_present, audio.name) == (2, "sound 1.wav")
    (folder / "Kicks" / "sound 1.wav").unlink()
    assert scan(folder)[1] == Totals(unchanged=12, failed=1, missing=1)
    audio = audio_of(database, "copy.wav")
    assert (audio.files_present, audio.name) == (1, "copy.wav")


def test_copies_that_come_together_are_one_entry(database: Database, scan: ScanOf, folder: Path) -> None:
    shutil.copytree(folder / "Kicks", folder / "Again")
    assert scan(folder)[1].files == 19
    assert count(database, Audio) == 12
    assert audio_of(database, "Again/sound 2.wav").files_present == 2


def test_a_drive_that_is_not_there_makes_its_files_missing(
    database: Database, scan: ScanOf, folder: Path, engine: AudioEngine
) -> None:
    scan(folder)
    elsewhere = folder.rename(folder.with_name("unplugged"))
    assert scan(folder)[1] == Totals(missing=13)
    assert all(file.missing_since is not None for file in files(database).values())
    with database.reading() as session:
        assert session.scalars(select(Root)).one().missing_since is not None
        assert session.scalars(select(func.sum(Audio.files_present))).one() == 0
    assert scan(folder)[1] == Totals()

    folder.mkdir()  # the folder that a drive is mounted on
    assert scan(folder)[1] == Totals()
    with database.reading() as session:
        assert session.scalars(select(Root)).one().missing_since is not None
    folder.rmdir()
    elsewhere.rename(folder)
    assert scan(folder)[1] == Totals(unchanged=12, failed=1)
    assert all(file.missing_since is None for file in files(database).values())
    with database.reading() as session:
        assert session.scalars(select(Root)).one().missing_since is None
        assert session.scalars(select(func.sum(Audio.files_present))).one() == 12


def test_a_drive_that_goes_away_during_a_scan_loses_nothing(
    database: Database, scan: ScanOf, folder: Path, engine: AudioEngine
) -> None:
    scan(folder)
    before = audio_of(database, "Kicks/sound 0.wav").id

    def analyze(paths: Any) -> Any:
        met = list(paths)
        folder.rename(folder.with_name("unplugged"))
        yield from engine.batch_analyze(met, level="standard", jobs=0)

    scanned = Scan(database, [str(folder)], level=AnalysisLevel.STANDARD, analyze=analyze)
    answers = dict(scanned)
    del answers[str(folder / "broken.wav")]  # of which it was known already that it has none
    assert {type(answer) for answer in answers.values()} == {FileAccessError}
    assert scanned.totals == Totals(failed=13, missing=12)  # one had been met before
    rows = files(database)
    assert rows["Kicks/sound 0.wav"].audio_id == before
    assert all(file.missing_since is not None for path, file in rows.items() if path != "broken.wav")

    folder.with_name("unplugged").rename(folder)
    assert scan(folder, level="standard")[1] == Totals(analyzed=12, failed=1)
    assert audio_of(database, "Kicks/sound 0.wav").files_present == 1


def test_a_folder_that_is_forgotten_during_a_scan_leaves_nothing(
    database: Database, scan: ScanOf, folder: Path, engine: AudioEngine
) -> None:
    def analyze(paths: Any) -> Any:
        met = list(paths)
        with database.writing() as session:
            forget_root(session, str(folder), really=True)
        yield from engine.batch_analyze(met, level="basic", jobs=0)

    assert len(dict(Scan(database, [str(folder)], level=AnalysisLevel.BASIC, analyze=analyze))) == 13
    assert count(database, File) == count(database, Audio) == 0


def test_what_is_forgotten_while_copies_of_it_are_met(
    database: Database, scan: ScanOf, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forgets comes before it is looked up what is known, or after the copy was recorded; never between."""
    scan(folder)
    shutil.copytree(folder / "Kicks", tmp_path / "copies")
    place = database.path or database._reader.url.render_as_string(hide_password=False)
    impatient = Database(place, write_timeout_s=0.1)

    def forget() -> None:
        with impatient.writing() as session:
            forget_root(session, str(folder), really=True)

    def looked_at(stat: StatKey) -> bool:
        with pytest.raises(LibraryError, match="busy"):
            forget()
        return True

    with monkeypatch.context() as patched:
        patched.setattr(scanning, "_untouched", looked_at)
        assert scan(tmp_path / "copies")[1] == Totals(known=6)
    forget()
    assert scan(tmp_path / "copies")[1] == Totals(unchanged=6)
    assert count(database, Audio) == 6
    impatient.close()


def test_a_file_that_became_another_sound_is_another_entry(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    before = audio_of(database, "Kicks/sound 0.wav")
    with database.writing() as session:
        session.add(Tag(audio_id=before.id, name="favourite"))
    soundfile.write(folder / "Kicks" / "sound 0.wav", noise(0.3, seed=99), 44_100)
    assert scan(folder)[1] == Totals(analyzed=1, unchanged=11, failed=1)
    after = audio_of(database, "Kicks/sound 0.wav")
    assert after.id != before.id
    with database.reading() as session:
        old = session.get_one(Audio, before.id)
        assert old.files_present == 0
        assert session.scalars(select(Tag.audio_id)).all() == [before.id]


def test_a_touched_file_is_not_analysed_again(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    path = folder / "Kicks" / "sound 0.wav"
    os.utime(path, (1, 1))
    shutil.copy(folder / "Kicks" / "sound 1.wav", folder / "gone.wav")
    scan(folder)
    (folder / "gone.wav").unlink()
    os.utime(folder / "Kicks" / "sound 1.wav", (1, 1))  # of the bytes of the one that is gone, but no move of it
    assert scan(folder)[1] == Totals(known=1, unchanged=11, failed=1, missing=1)
    assert files(database)["gone.wav"].missing_since is not None


def test_files_that_were_just_written_are_read_again(
    database: Database, scan: ScanOf, folder: Path, clock: list[float]
) -> None:
    clock[0] = 0.0
    scan(folder)
    assert all(file.stamp is None for file in files(database).values())
    clock[0] = 10.0
    assert scan(folder)[1] == Totals(known=12, failed=1)
    assert scan(folder)[1] == Totals(unchanged=12, failed=1)


def test_higher_levels_and_newer_versions_are_analysed(
    database: Database, scan: ScanOf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(folder)
    assert scan(folder, level="standard")[1] == Totals(analyzed=12, failed=1)
    assert scan(folder, level="basic")[1] == Totals(unchanged=12, failed=1)
    assert count(database, Analysis) == 24
    monkeypatch.setitem(feature_graph().fingerprints, "tempo", "another version")
    freshness._fingerprint.cache_clear()
    try:
        assert scan(folder, level="standard")[1] == Totals(analyzed=12, failed=1)
    finally:
        freshness._fingerprint.cache_clear()
    assert count(database, Analysis) == 24


def test_whether_an_analysis_is_up_to_date_is_read_from_an_index_alone(tmp_path: Path) -> None:
    """As SQLite plans it, which keeps documents of kilobytes between the columns that are asked for."""
    of_two = (Analysis.level == "basic") & (Analysis.fingerprint == "f")
    asked = select(Analysis.audio_id).where(Analysis.audio_id.in_([1, 2]), of_two)
    database = Database(tmp_path / "library.db")
    with database.reading() as session:
        query = asked.compile(session.connection(), compile_kwargs={"literal_binds": True})
        steps = session.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
    database.close()
    assert steps
    assert all("COVERING INDEX" in step.detail for step in steps)


def test_what_a_higher_level_found_stays(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder / "Kicks", level="detailed")
    before = audio_of(database, "sound 0.wav")
    assert before.harmonic_ratio is not None
    with database.writing() as session:
        session.execute(update(Analysis).values(fingerprint="of an older version"))
        session.execute(update(Audio).values(loudness_lufs=-1.0))
    assert scan(folder / "Kicks", level="basic")[1] == Totals(analyzed=6)
    after = audio_of(database, "sound 0.wav")
    assert (after.level, after.loudness_lufs) == ("basic", before.loudness_lufs)
    assert after.harmonic_ratio == before.harmonic_ratio


def test_a_file_whose_name_a_folder_took_is_gone(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    kick = folder / "Kicks" / "sound 0.wav"
    kick.unlink()
    kick.mkdir()
    assert scan(folder)[1] == Totals(unchanged=11, failed=1, missing=1)


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own")
def test_a_link_to_what_is_gone_is_gone(database: Database, scan: ScanOf, folder: Path) -> None:
    (folder / "Links").mkdir()
    target = (folder / "Kicks" / "sound 0.wav").rename(folder.parent / "target.wav")
    (folder / "Links" / "link.wav").symlink_to(target)
    scan(folder)
    target.unlink()
    scan(folder)
    assert files(database)["Links/link.wav"].missing_since is not None


def test_an_empty_folder_is_there(database: Database, scan: ScanOf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert scan(tmp_path / "empty")[1] == Totals()
    with database.reading() as session:
        root = session.scalars(select(Root)).one()
        assert root.missing_since is None
        assert root.scanned_at is not None


def test_what_has_no_answer_is_tried_again_on_request(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    with database.writing() as session:
        session.execute(update(File).where(File.error.is_not(None)).values(reason="as it was recorded"))
    answers, _ = scan(folder)
    error = answers[str(folder / "broken.wav")]
    assert error.reason == "as it was recorded"
    answers, _ = scan(folder, retry=True)
    assert answers[str(folder / "broken.wav")].reason != "as it was recorded"
    soundfile.write(folder / "broken.wav", noise(0.2), 44_100)
    assert scan(folder)[1] == Totals(analyzed=1, unchanged=12)
    assert files(database)["broken.wav"].error is None


def test_folders_in_folders(database: Database, scan: ScanOf, folder: Path) -> None:
    assert scan(folder / "Kicks")[1] == Totals(analyzed=6)
    assert scan(folder / "Kicks" / "sound 0.wav")[1] == Totals(unchanged=1)
    before = files(database)["sound 0.wav"].id
    assert scan(folder, folder / "Snares", folder / "Kicks" / "sound 1.wav")[1] == Totals(
        analyzed=6, unchanged=6, failed=1
    )
    with database.reading() as session:
        assert [root.path for root in session.scalars(select(Root))] == [str(folder)]
    assert files(database)["Kicks/sound 0.wav"].id == before
    (folder / "Kicks" / "sound 0.wav").unlink()
    (folder / "Snares" / "sound 8.wav").unlink()
    assert scan(folder / "Snares")[1] == Totals(unchanged=5, missing=1)  # of what it was not asked for it says nothing
    assert scan(folder / "Kicks" / "sound 0.wav")[1] == Totals(missing=1)
    assert scan(folder)[1] == Totals(unchanged=10, failed=1)


def test_a_folder_around_others_gives_their_files_its_name(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder / "Kicks")
    assert files(database)["sound 0.wav"].named_sound is None
    scan(folder)
    assert files(database)["Kicks/sound 0.wav"].named_sound == "kick"
    with database.reading() as session:
        found = select(func.count()).select_from(Word).where(Word.word == "kicks")
        assert session.scalar(found) == 6


def test_a_root_that_takes_another_in_while_both_are_scanned(
    database: Database, scan: ScanOf, folder: Path, tmp_path: Path
) -> None:
    scan(folder / "Kicks")
    shutil.copy(folder / "Snares" / "sound 7.wav", tmp_path / "z.wav")
    (folder / "Kicks" / "sound 0.wav").unlink()
    # The second one makes a root of the folder around, which takes the first one in.
    assert scan(folder / "Kicks", tmp_path / "z.wav")[1] == Totals(analyzed=1, unchanged=5, missing=1)
    assert files(database)["sounds/Kicks/sound 0.wav"].missing_since is not None


def test_files_by_name_cost_no_more_than_their_folder(
    database: Database, scan: ScanOf, folder: Path, statements: Statements
) -> None:
    names = sorted(path for path in folder.rglob("*.wav") if path.name != "broken.wav")
    assert scan(*names)[1] == Totals(analyzed=12)
    sent = []
    for some in (names[:2], names[:6]):  # of one folder
        with statements(database) as few:
            assert scan(*some)[1] == Totals(unchanged=len(some))
        sent.append(len(few))
    assert sent[0] == sent[1]
    for path in names[:4]:
        path.unlink()
    assert scan(*names)[1] == Totals(unchanged=8, missing=4)
    shutil.rmtree(folder / "Snares")
    assert scan(folder / "Snares")[1] == Totals(missing=6)


def test_many_copies_of_one_sound(
    database: Database, scan: ScanOf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_COPIES", 3)
    shutil.rmtree(folder / "Snares")
    (folder / "broken.wav").unlink()
    for path in (folder / "Kicks").glob("*.wav"):
        if path.name != "sound 0.wav":
            shutil.copy(folder / "Kicks" / "sound 0.wav", path)
    assert scan(folder)[1] == Totals(analyzed=6)
    (folder / "Kicks").rename(folder / "Moved")
    assert scan(folder)[1] == Totals(known=6, missing=3)  # all are found; only of some it is known where they came from
    assert count(database, Audio) == 1
    with database.reading() as session:
        assert session.scalars(select(Audio.files_present)).one() == 6


def test_other_limits_may_let_a_file_in(
    database: Database, engine: AudioEngine, clock: list[float], folder: Path
) -> None:
    def scan(limits: Limits) -> Totals:
        with AudioEngine(cache=None) as strict:
            strict.limits = limits
            analyze = functools.partial(strict.batch_analyze, level="basic", jobs=0)
            scanned = Scan(database, [str(folder / "Kicks")], level=AnalysisLevel.BASIC, limits=limits, analyze=analyze)
            dict(scanned)
            return scanned.totals

    assert scan(Limits(max_duration_s=0.125)) == Totals(analyzed=3, failed=3)
    assert scan(Limits(max_duration_s=0.125)) == Totals(unchanged=3, failed=3)
    assert scan(Limits()) == Totals(analyzed=3, unchanged=3)


def test_a_file_alone_brings_in_its_folder_only_by_name(database: Database, scan: ScanOf, folder: Path) -> None:
    assert scan(folder / "Kicks" / "sound 0.wav")[1] == Totals(analyzed=1)
    assert files(database).keys() == {"sound 0.wav"}
    answers, totals = scan(folder / "nothing.wav")
    assert totals == Totals(failed=1)
    assert isinstance(answers[str(folder / "nothing.wav")], FileAccessError)
    answers, totals = scan(folder / "Kicks" / "nothing.wav")
    assert totals == Totals(failed=1)
    assert isinstance(answers[str(folder / "Kicks" / "nothing.wav")], FileAccessError)
    assert scan(folder / "Kicks" / "nothing.wav", watching=True) == ({}, Totals())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="may read everything")
def test_a_folder_that_cannot_be_read_loses_nothing(database: Database, scan: ScanOf, folder: Path) -> None:
    scan(folder)
    (folder / "Kicks").chmod(0)
    try:
        assert scan(folder)[1].missing == 0
    finally:
        (folder / "Kicks").chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text(database: Database, scan: ScanOf, folder: Path) -> None:
    path = os.fsencode(folder) + b"/caf\xe9 \xff.wav"
    shutil.copy(folder / "Kicks" / "sound 0.wav", path)
    assert scan(folder)[1] == Totals(analyzed=13, failed=1)
    assert scan(folder)[1] == Totals(unchanged=13, failed=1)
    assert os.fsdecode(b"caf\xe9 \xff.wav") in files(database)
    os.remove(path)
    assert scan(folder)[1].missing == 1


def test_a_scan_that_is_called_off_keeps_what_is_done(
    database: Database, engine: AudioEngine, clock: list[float], folder: Path, scan: ScanOf
) -> None:
    given: list[str] = []

    def analyze(paths: Any) -> Any:
        for path, answer in engine.batch_analyze(paths, level="basic", jobs=0):
            given.append(path)
            yield path, answer
            if len(given) == 5:
                raise KeyboardInterrupt

    scanned = Scan(database, [str(folder)], level=AnalysisLevel.BASIC, analyze=analyze)
    with pytest.raises(KeyboardInterrupt):
        list(scanned)
    assert len(files(database)) == 5
    with database.reading() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.totals) == ("interrupted", dataclasses.asdict(scanned.totals))
    assert scan(folder)[1].analyzed == 13 - 5 - (1 if str(folder / "broken.wav") not in given else 0)


def test_a_scan_that_is_over_writes_nothing_more(database: Database, scan: ScanOf, folder: Path) -> None:
    """Who reads the paths is a thread that nobody waits for."""
    scan(folder)
    shutil.copytree(folder / "Kicks", folder / "Copies")
    paths: list[Any] = []

    def analyze(wanted: Any) -> Any:
        paths.append(wanted)
        yield from ()

    list(Scan(database, [str(folder)], level=AnalysisLevel.BASIC, analyze=analyze))
    assert list(paths[0]) == []
    assert len(files(database)) == 13


def test_what_fails_is_noted(database: Database, clock: list[float], folder: Path) -> None:
    def analyze(paths: Any) -> Any:
        yield from ()
        raise LibraryError("no room for caf\udce9")

    with pytest.raises(LibraryError, match="no room"):
        list(Scan(database, [str(folder)], level=AnalysisLevel.BASIC, analyze=analyze))
    with database.reading() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.reason) == ("failed", "no room for caf\udce9")


@pytest.mark.parametrize("renamed", [False, True])
def test_statements_do_not_grow_with_files(
    database: Database, scan: ScanOf, folder: Path, statements: Statements, *, renamed: bool
) -> None:
    shutil.rmtree(folder / "Snares")
    scan(folder)
    sent = []
    for more in (0, 40):
        for number in range(more):
            soundfile.write(folder / "Kicks" / f"more {number}.wav", noise(0.05, seed=100 + number), 44_100)
        scan(folder)
        if renamed:
            (folder / "Kicks").rename(folder / f"Kicks {more}")
            (folder / "Kicks").mkdir()
            for path in (folder / f"Kicks {more}").iterdir():
                path.rename(folder / "Kicks" / f"x {path.name}")
        with statements(database) as some:
            scan(folder)
        sent.append(len(some))
    assert sent[0] == sent[1]


def test_another_decoder_loses_nothing_that_was_said(database: Database, engine: AudioEngine, folder: Path) -> None:
    """The same bytes, decoded to other samples: as when a decoder is updated."""
    path = folder / "Kicks" / "sound 0.wav"
    features = engine.analyze_audio(path, level="basic")
    stat = StatKey(str(path), 1, 2, 3, 4)

    def came(answer: Any) -> None:
        with database.writing() as session:
            folders.added(session, str(folder), 1.0)
            found = [Found(stat, answer)]
            record(
                session,
                found,
                level=AnalysisLevel.BASIC,
                fingerprint="x",
                conditions="y",
                now=1.0,
                now_ns=time.time_ns(),
            )

    came(features)
    with database.writing() as session:
        (audio_id,) = session.scalars(select(Audio.id))
        session.add_all([Tag(audio_id=audio_id, name="good"), Tag(audio_id=audio_id, name="long")])
        session.add(Correction(audio_id=audio_id, field="tempo", value="99", set_at=1.0))
    came(dataclasses.replace(features, audio_digest="f" * 64))
    with database.reading() as session:
        new = session.scalars(select(Audio).where(Audio.digest == "f" * 64)).one()
        assert new.tempo_bpm == 99.0
        assert set(session.scalars(select(Tag.name).where(Tag.audio_id == new.id))) == {"good", "long"}
    came(dataclasses.replace(features, audio_digest="f" * 64))
    came(DecodeError(str(path), "damaged"))
    with database.reading() as session:
        assert session.scalars(select(Audio.files_present)).all() == [0, 0]
        assert session.scalars(select(File.reason)).one() == "damaged"


def test_what_was_renamed_before_another_decoder_came_loses_nothing(
    database: Database, engine: AudioEngine, scan: ScanOf, folder: Path
) -> None:
    scan(folder / "Kicks")
    with database.writing() as session:
        audio_id = session.scalars(select(File.audio_id).where(File.path == "sound 0.wav")).one()
        session.add(Tag(audio_id=audio_id, name="good"))
        session.execute(update(Analysis).values(fingerprint="of another decoder"))
    (folder / "Kicks" / "sound 0.wav").rename(folder / "Kicks" / "renamed.wav")

    def analyze(paths: Any) -> Any:
        for path in paths:
            features = engine.analyze_audio(path, level="basic")
            yield path, dataclasses.replace(features, audio_digest=features.audio_digest[::-1])

    list(Scan(database, [str(folder / "Kicks")], level=AnalysisLevel.BASIC, analyze=analyze))
    renamed = audio_of(database, "renamed.wav")
    assert renamed.id != audio_id
    with database.reading() as session:
        assert session.scalars(select(Tag.name).where(Tag.audio_id == renamed.id)).all() == ["good"]


def test_a_library_scans_with_worker_processes(place: Path | str, tmp_path: Path, folder: Path) -> None:
    settings = Settings(
        cache_dir=tmp_path / "cache",
        data_dir=place.parent if isinstance(place, Path) else None,
        library_url=None if isinstance(place, Path) else place,
    )
    with Library(settings) as library:
        scanned = library.scan(folder, level="basic", jobs=1)
        with contextlib.closing(iter(scanned)) as answers:
            assert len(dict(answers)) == 13
        assert scanned.totals == Totals(analyzed=12, failed=1)
        with pytest.raises(FileAccessError, match="this machine"):
            library.scan("https://example.org/sound.wav")
        assert len(files(library.database)) == 13
