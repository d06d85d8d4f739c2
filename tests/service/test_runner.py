"""The runner with real workers and real files: what is queued is analysed, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from sqlalchemy import delete, select, update

from samplemind import AudioEngine
from samplemind.audio import Limits, file_digest
from samplemind.cache import FeatureCache
from samplemind.errors import LibraryError, WorkerStartError
from samplemind.features.levels import AnalysisLevel
from samplemind.library import folders
from samplemind.library.database import Database
from samplemind.library.model import Audio, File
from samplemind.service import jobs, known, leases
from samplemind.service.hub import Hub
from samplemind.service.jobs import JobView
from samplemind.service.runner import Runner
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.pool import Pool
from tests.workers.conftest import MISBEHAVIOUR

BASIC, STANDARD = AnalysisLevel.BASIC, AnalysisLevel.STANDARD
PATIENCE_S = 60.0
OURS = "our service"


class House:
    """What a service has: a library, a cache, a folder of uploads, and runners that come and go."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.database = database
        self.uploads = folder / "audio"
        self.uploads.mkdir()
        self.cache = FeatureCache.at(folder / "cache")
        self.runner: Runner | None = None
        with database.writing() as session:
            self.root = folders.added(session, str(self.uploads), time.time()).root_id

    @contextlib.contextmanager
    def running(self, **options: Any) -> Iterator[Runner]:
        given: dict[str, Any] = {"home": OURS, "limits": Limits(), "workers": 1, "hub": Hub(), **options}
        runner = self.runner = Runner(self.database, cache=self.cache, **given)
        runner.start()
        try:
            yield runner
        finally:
            runner.stop(PATIENCE_S)
            self.runner = None

    def upload(self, name: str, *, seed: int = 0, seconds: float = 0.2, content: bytes | None = None) -> str:
        """Take in a file of noise, another one for each seed, or of other bytes; its digest."""
        path = self.uploads / name
        if content is None:
            sound = np.random.default_rng(seed).standard_normal(round(44_100 * seconds)) * 0.1
            soundfile.write(path, sound, 44_100)
        else:
            path.write_bytes(content)
        digest = file_digest(path)
        with self.database.writing() as session:
            columns = {"size": path.stat().st_size, "digest": digest, "found_at": time.time()}
            session.add(File(root_id=self.root, path=name, **columns))
        return digest

    def submit(self, *digests: str, level: AnalysisLevel = BASIC, owner: str = "ann") -> list[JobView]:
        with self.database.writing() as session:
            queued = [
                jobs.submit(session, home=OURS, owner=owner, subject=digest, level=level, now=time.time())
                for digest in digests
            ]
        if self.runner is not None:
            self.runner.wake()
        return queued

    def find(self, job: JobView) -> JobView:
        with self.database.reading() as session:
            found = jobs.find(session, job.ticket, None)
        assert found is not None
        return found

    def ended(self, *several: JobView) -> list[JobView]:
        """Jobs, once they have ended."""
        wait_until(lambda: all(self.find(job).ended for job in several))
        return [self.find(job) for job in several]

    def known(self, digest: str, level: AnalysisLevel = BASIC) -> dict[str, Any] | None:
        with self.database.reading() as session:
            return known.known(session, digest, level)

    def file(self, digest: str) -> File | None:
        with self.database.reading() as session:
            return session.scalars(select(File).where(File.digest == digest)).first()

    @property
    def computed(self) -> int:
        """How many sounds were computed, by whatever process used the cache."""
        return self.cache.stats_of_all().computed


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    made = House(tmp_path, database)
    yield made
    made.cache.close()


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up, "in vain"
        time.sleep(0.02)


def workers() -> list[psutil.Process]:
    """This process's workers."""
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in children if "samplemind.worker" in child.cmdline()]


def test_what_is_queued_is_analysed_as_the_engine_does(house: House) -> None:
    digests = [house.upload(f"{number}.wav", seed=number) for number in range(3)]
    with house.running():
        queued = house.submit(*digests) + house.submit(digests[0], level=STANDARD)
        assert {job.state for job in house.ended(*queued)} == {"done"}
    for digest, level in ((digests[0], STANDARD), (digests[1], BASIC), (digests[2], BASIC)):
        file = house.file(digest)
        assert file is not None
        with AudioEngine(cache=None) as engine:
            expected = engine.analyze_audio(house.uploads / file.path, level=level).to_dict()
        assert house.known(digest, level) == {**expected, "path": file.path}
    assert house.known(digests[0], BASIC) is not None, "a higher level answers too"
    assert house.known(digests[1], STANDARD) is None
    assert workers() == []


def test_a_cluster_does_it_too(house: House) -> None:
    pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    digests = [house.upload(f"{number}.wav", seed=number) for number in range(3)]
    with house.running(scheduler="local:1", workers=2):
        assert {job.state for job in house.ended(*house.submit(*digests))} == {"done"}
    assert house.known(digests[0]) is not None


def test_a_cluster_that_is_out_of_reach_is_waited_for(house: House) -> None:
    pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    digest = house.upload("kick.wav")
    with house.running(scheduler="local:0") as runner:
        [job] = house.submit(digest)
        wait_until(lambda: runner.trouble() is not None)
        assert not house.find(job).ended


def test_what_the_library_knows_needs_no_worker(house: House) -> None:
    digest = house.upload("kick.wav")
    with house.running():
        house.ended(*house.submit(digest, level=STANDARD))
    with house.running(workers=1):
        [same] = house.ended(*house.submit(digest))
        assert same.state == "done"
        assert workers() == []
    assert house.computed == 1


def test_what_was_stored_before_a_kill_is_not_computed_again(house: House) -> None:
    digest = house.upload("kick.wav")
    with house.running():
        house.ended(*house.submit(digest))
    with house.database.writing() as session:  # as if it had been killed between the cache and the library
        session.execute(update(File).values(audio_id=None))
        session.execute(delete(Audio))
    with house.running():
        assert house.ended(*house.submit(digest))[0].state == "done"
    assert house.known(digest) is not None
    assert house.computed == 1


def test_a_file_that_fails_is_still_found_by_its_bytes(house: House) -> None:
    digest = house.upload("noise.wav", content=b"RIFF\x00\x00\x00\x00WAVEnonsense")
    with house.running():
        [job] = house.ended(*house.submit(digest))
    file = house.file(digest)
    assert file is not None
    assert (job.state, job.error) == ("failed", file.error)
    assert job.reason
    assert str(house.uploads) not in job.reason
    os.utime(house.uploads / "noise.wav", (1, 1))
    with house.running():
        [again] = house.ended(*house.submit(digest))
    assert (again.state, again.error, again.reason) == (job.state, job.error, job.reason)


def test_a_file_that_is_gone_fails_and_so_does_one_that_was_never_there(house: House) -> None:
    digest = house.upload("kick.wav")
    (house.uploads / "kick.wav").unlink()
    with house.running():
        ended = house.ended(*house.submit(digest, "0" * 64))
    gone = ("failed", "FileAccessError", "the file is gone")
    assert [(job.state, job.error, job.reason) for job in ended] == [gone, gone]


def test_another_file_of_the_same_bytes_serves_too(house: House, tmp_path: Path) -> None:
    digest = house.upload("kick.wav")
    elsewhere = tmp_path / "sounds"
    elsewhere.mkdir()
    (house.uploads / "kick.wav").rename(elsewhere / "copy.wav")
    with house.database.writing() as session:
        root = folders.added(session, str(elsewhere), time.time())
        session.add(File(root_id=root.root_id, path="copy.wav", size=1, digest=digest, found_at=time.time()))
    with house.running():
        assert house.ended(*house.submit(digest))[0].state == "done"
    with house.database.reading() as session:
        sounds = set(session.scalars(select(File.audio_id).where(File.digest == digest)))
    assert len(sounds) == 1
    assert None not in sounds


def test_a_file_that_holds_other_bytes_by_now_does_not_answer_for_them(house: House) -> None:
    digest = house.upload("kick.wav", seed=1)
    soundfile.write(house.uploads / "kick.wav", np.zeros(4_000), 44_100)
    with house.running():
        [job] = house.ended(*house.submit(digest))
    assert (job.state, job.reason) == ("failed", "the file is gone")
    assert house.known(digest) is None
    assert house.known(file_digest(house.uploads / "kick.wav")) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space and processor time")
def test_a_file_that_kills_its_workers_is_quarantined(house: House, misbehaving: None) -> None:
    bad, good = house.upload("segfault.wav", seed=1), house.upload("good.wav", seed=2)
    with house.running() as runner:
        ended = house.ended(*house.submit(bad, good))
        assert [job.state for job in ended] == ["quarantined", "done"]
        assert (ended[0].error, ended[0].reason) == ("CrashError", "crashed: Segmentation fault")
        assert runner.counted()["worker_restarts"] == 2
        [again] = house.ended(*house.submit(bad))
        assert (again.state, again.error) == ("quarantined", "QuarantinedError")
        assert runner.counted()["worker_restarts"] == 2


def test_a_running_job_that_is_cancelled_ends_its_worker_only(house: House, misbehaving: None) -> None:
    hanging, good = house.upload("hang.wav", seed=1), house.upload("good.wav", seed=2)
    limits = WorkerLimits(wall_s=10 * PATIENCE_S)
    with house.running(workers=2, worker_limits=limits) as runner:
        [job] = house.submit(hanging)
        wait_until(lambda: house.find(job).state == "running")
        assert house.ended(*house.submit(good))[0].state == "done"
        with house.database.writing() as session:
            cancelled = jobs.cancel(session, job.ticket, "ann", time.time())
        runner.cancelled(cancelled)
        others = [house.upload(f"{number}.wav", seed=number) for number in range(3, 6)]
        assert {each.state for each in house.ended(*house.submit(*others))} == {"done"}
        wait_until(lambda: runner._lanes[0].in_hand() == runner._lanes[1].in_hand() == set())
        assert house.find(job).state == "cancelled"
        assert runner.trouble() is None


def test_a_service_that_stops_gives_back_what_it_has_in_hand(house: House, misbehaving: None) -> None:
    digest = house.upload("hang.wav")
    limits = WorkerLimits(wall_s=10 * PATIENCE_S)
    with house.running(worker_limits=limits) as runner:
        [job] = house.submit(digest)
        wait_until(lambda: house.find(job).state == "running")
        runner.stop(0.1)
    assert house.find(job).state == "queued"
    assert workers() == []


def test_news_of_jobs_reach_the_hub(house: House) -> None:
    told: list[str] = []

    class Listening(Hub):
        def tell(self, tickets: Any) -> None:
            told.extend(tickets)

    digest = house.upload("kick.wav")
    with house.database.writing() as session:
        batch = jobs.submit_batch(session, home=OURS, owner="ann", subjects=[digest], level=BASIC, now=time.time())
        [[part], _] = jobs.listed(session, owner="ann", batch=batch.ticket)
    with house.running(hub=Listening()):
        house.ended(batch)
    for ticket in (batch.ticket, part.ticket):
        assert told.count(ticket) >= 2, "when it begins and when it ends"


def test_a_folder_is_scanned(house: House, tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for number in range(3):
        soundfile.write(sounds / f"{number}.wav", np.random.default_rng(number).standard_normal(4_000) * 0.1, 44_100)
    (sounds / "bad.wav").write_bytes(b"nothing")
    with house.database.writing() as session:
        asked = [
            jobs.submit_scan(session, home=OURS, owner="ann", root=str(root), level=BASIC, now=time.time())
            for root in (sounds, tmp_path / "nowhere")
        ]
    with house.running(roots=[tmp_path]):
        scan, nowhere = house.ended(*asked)
    assert scan.state == "done"
    assert scan.totals == {"analyzed": 3, "known": 0, "unchanged": 0, "failed": 1, "missing": 0}
    assert (nowhere.state, nowhere.reason) == ("failed", "the folder is not there")
    assert house.known(file_digest(sounds / "0.wav")) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges")
def test_a_scan_follows_no_link_out_of_what_is_allowed(house: House, tmp_path: Path) -> None:
    allowed, other, outside = (tmp_path / name for name in ("allowed", "other", "outside"))
    for number, folder in enumerate((allowed, other, outside)):
        folder.mkdir()
        sound = np.random.default_rng(number).standard_normal(4_000) * 0.1
        soundfile.write(folder / "sound.wav", sound, 44_100)
    (allowed / "other").symlink_to(other)
    (allowed / "outside").symlink_to(outside)
    (allowed / "up").symlink_to("..")
    (allowed / "linked.wav").symlink_to(outside / "sound.wav")
    (allowed / "gone.wav").symlink_to(outside / "gone.wav")
    (allowed / "notes.txt").symlink_to(outside / "notes.txt")
    (allowed / "same.wav").symlink_to("sound.wav")
    (tmp_path / "was allowed").symlink_to(allowed)
    with house.database.writing() as session:
        asked = [
            jobs.submit_scan(session, home=OURS, owner="ann", root=str(root), level=BASIC, now=time.time())
            for root in (allowed, outside)
        ]
    with house.running(roots=[tmp_path / "was allowed", other]):
        scan, refused = house.ended(*asked)
    assert scan.state == "done"
    assert scan.error == "OutsideRootsError"
    assert scan.reason == "links that lead out of the folders that are allowed were skipped: 4"
    assert scan.totals is not None
    assert scan.totals["failed"] == 4
    assert (refused.state, refused.error) == ("failed", "OutsideRootsError")
    with house.database.reading() as session:
        found = set(session.scalars(select(File.path)))
    assert found == {"sound.wav", "same.wav", "other/sound.wav"}
    assert house.known(file_digest(outside / "sound.wav")) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges")
def test_a_link_that_was_exchanged_is_not_analysed(house: House, tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed, outside):
        folder.mkdir()
    soundfile.write(outside / "secret.wav", np.random.default_rng(1).standard_normal(4_000) * 0.1, 44_100)
    (allowed / "kick.wav").symlink_to(outside / "secret.wav")
    digest = "1" * 64
    with house.database.writing() as session:
        root = folders.added(session, str(allowed), time.time())
        session.add(File(root_id=root.root_id, path="kick.wav", size=1, digest=digest, found_at=time.time()))
    with house.running(roots=[allowed]):
        [job] = house.ended(*house.submit(digest))
    assert (job.state, job.error) == ("failed", "OutsideRootsError")
    assert house.known(file_digest(outside / "secret.wav")) is None


def test_workers_that_cannot_be_started_are_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digest = house.upload("kick.wav")
    began = Pool.start

    def refuse(pool: Pool) -> Any:
        raise WorkerStartError("no worker can be started: it crashed with exit status 1")

    monkeypatch.setattr(Pool, "start", refuse)
    with caplog.at_level(logging.WARNING, "samplemind.service"), house.running() as runner:
        [job] = house.submit(digest)
        wait_until(lambda: runner.trouble() is not None)
        assert not house.find(job).ended
        monkeypatch.setattr(Pool, "start", began)
        assert house.ended(job)[0].state == "done"
        wait_until(lambda: runner.trouble() is None)
    assert "no worker can be started" in caplog.text


def test_a_library_that_cannot_be_written_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = house.upload("kick.wav")
    write = Database.writing

    def refuse(database: Database) -> Any:
        raise LibraryError("the library is busy: nothing was changed, try again")

    with house.running() as runner:
        house.ended(*house.submit(digest))
        [job] = house.submit(house.upload("snare.wav", seed=2))
        monkeypatch.setattr(Database, "writing", refuse)
        wait_until(lambda: runner.trouble() is not None)
        monkeypatch.setattr(Database, "writing", write)
        assert house.ended(job)[0].state == "done"
        wait_until(lambda: runner.trouble() is None)


def test_a_mistake_of_ours_costs_the_jobs_in_hand_and_not_the_thread(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digests = [house.upload(f"{number}.wav", seed=number) for number in range(2)]
    share = known.share

    def fail(session: Any, digest: str) -> None:
        raise ZeroDivisionError(f"a mistake with {digest}")

    with caplog.at_level(logging.CRITICAL, "samplemind.service"), house.running():
        monkeypatch.setattr(known, "share", fail)
        [job] = house.ended(*house.submit(digests[0]))
        monkeypatch.setattr(known, "share", share)
        [other] = house.ended(*house.submit(digests[1]))
    assert (job.state, job.error) == ("failed", "InternalError")
    assert other.state == "done"


def test_leases_are_kept_and_what_nobody_works_on_is_given_back(
    house: House, misbehaving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samplemind.service.runner._KEEP_S", 0.05)
    hanging, adrift = house.upload("hang.wav", seed=1), house.upload("kick.wav", seed=2)
    with house.running(worker_limits=WorkerLimits(wall_s=10 * PATIENCE_S)) as runner:
        [job] = house.submit(hanging)
        wait_until(lambda: house.find(job).state == "running")
        [lost] = house.submit(adrift)
        with house.database.writing() as session:  # as if a thread had failed at giving it back
            [taken] = leases.lease(session, OURS, kind="analysis", now=0.0)
        assert taken.ticket == lost.ticket
        wait_until(lambda: house.find(lost).state == "queued")
        assert house.find(job).state == "running"
        with house.database.writing() as session:  # by another service: this one is not told
            jobs.cancel(session, job.ticket, "ann", time.time())
        assert house.ended(lost)[0].state == "done"
        assert runner.trouble() is None


SERVICE = """
import sys, time
from pathlib import Path
from samplemind.audio import Limits
from samplemind.cache import FeatureCache
from samplemind.library.database import Database
from samplemind.service.hub import Hub
from samplemind.service.runner import Runner

place, cache, home = sys.argv[1:]
database = Database(place if "://" in place else Path(place))
runner = Runner(database, cache=FeatureCache.at(cache), hub=Hub(), home=home, limits=Limits(), workers=2)
runner.start()
print("ready", flush=True)
time.sleep(3600)
"""


def service(house: House, tmp_path: Path, home: str = OURS, **environment: str) -> subprocess.Popen[str]:
    """A service in a process group of its own; ready."""
    database = house.database
    place = str(database.path) if database.path else database._writer.url.render_as_string(hide_password=False)
    place = place.replace("+psycopg", "")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, place, str(tmp_path / "cache"), home],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_what_a_killed_service_had_in_hand_is_done_by_the_next(house: House, tmp_path: Path) -> None:
    queued = house.submit(*(house.upload(f"{number}.wav", seed=number) for number in range(60)), level=STANDARD)
    killed = service(house, tmp_path)
    wait_until(lambda: any(house.find(job).state == "running" for job in queued))
    kill(killed)
    running = [job for job in queued if house.find(job).state == "running"]
    with house.running(workers=2):
        assert {job.state for job in house.ended(*queued)} == {"done"}
    assert len(running) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_job_over_which_services_die_ends_in_quarantine(house: House, tmp_path: Path) -> None:
    [job] = house.submit(house.upload("hang.wav"))
    for _ in range(leases.MOST_DEATHS):
        before = house.find(job).version
        dying = service(house, tmp_path, PYTHONPATH=str(MISBEHAVIOUR))
        # What the one before had in hand is queued again first.
        wait_until(lambda before=before: house.find(job).version > before and house.find(job).state == "running")
        kill(dying)
    with house.running(workers=1):
        [ended] = house.ended(job)
    assert (ended.state, ended.error) == ("quarantined", "QuarantinedError")
