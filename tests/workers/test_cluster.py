"""Groups of files on executors of several kinds, Dask's among them: each file has its outcome, whatever nodes do."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from samplemind import AudioEngine, AudioFeatures, FeatureCache
from samplemind.audio import Limits
from samplemind.errors import CrashError, FileAccessError, QuarantinedError, SettingsError, WorkerStartError
from samplemind.features.levels import AnalysisLevel
from samplemind.workers import node
from samplemind.workers.cluster import batch_on, shards_on
from samplemind.workers.executors import executor_for
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.process import Outcome
from tests.conftest import WriteWav
from tests.signals import noise
from tests.workers.clusters import Dask
from tests.workers.conftest import MISBEHAVIOUR

SKEW = Path(__file__).parent / "skew"
PATIENCE_S = 60


def run_on(executor: Executor, paths: list[str], *, slots: int = 2, **options: Any) -> list[Outcome]:
    settings: dict[str, Any] = {
        "level": AnalysisLevel.BASIC,
        "cache": None,
        "limits": Limits(),
        "worker_limits": WorkerLimits(),
    }
    return list(batch_on(executor, paths, slots=lambda: slots, **{**settings, **options}))


@pytest.fixture
def threads() -> Iterator[Executor]:
    with executor_for(None, jobs=2) as (executor, slots):
        assert slots() == 2
        yield executor


@pytest.fixture
def sounds(write_wav: WriteWav) -> list[str]:
    return [str(write_wav(noise(0.2 + number / 50, seed=number), name=f"{number}.wav")) for number in range(40)]


def expected(paths: list[str]) -> dict[str, AudioFeatures]:
    with AudioEngine(cache=None) as engine:
        return {path: engine.analyze_audio(path, level="basic") for path in paths}


def test_threads_find_what_this_process_finds(threads: Executor, sounds: list[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.wav")
    found = {outcome.path: outcome.answer for outcome in run_on(threads, [*sounds, missing])}
    error = found.pop(missing)
    assert found == expected(sounds)
    assert isinstance(error, FileAccessError)
    assert error.reason == "no such file or directory"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_find_what_this_process_finds(method: str, sounds: list[str]) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        found = {outcome.path: outcome.answer for outcome in run_on(executor, sounds)}
    assert found == expected(sounds)


def test_what_nodes_found_is_in_the_cache(threads: Executor, sounds: list[str], tmp_path: Path) -> None:
    time.sleep(2.1)  # until then a file may change within the resolution of its times
    with contextlib.closing(FeatureCache.at(tmp_path / "parent")) as cache:
        first = run_on(threads, sounds, cache=cache)
        assert all(outcome.computed for outcome in first)
        assert cache.stats().computed == len(sounds)
        again = run_on(threads, sounds, cache=cache)
    assert not any(outcome.computed for outcome in again)
    assert {outcome.path: outcome.answer for outcome in again} == {outcome.path: outcome.answer for outcome in first}


def test_copies_are_computed_once(threads: Executor, write_wav: WriteWav, tmp_path: Path) -> None:
    path = write_wav(noise(0.5))
    copies = [str(shutil.copy(path, path.with_name(f"copy {number}.wav"))) for number in range(70)]
    with contextlib.closing(FeatureCache.at(tmp_path / "parent")) as cache:
        found = run_on(threads, copies, cache=cache)
        assert sorted(outcome.path for outcome in found) == sorted(copies)
        assert sum(outcome.computed for outcome in found) == 1
        assert cache.stats().computed == 1


def test_what_has_landed_is_given_while_known_files_come(threads: Executor, sounds: list[str], tmp_path: Path) -> None:
    time.sleep(2.1)  # until then a file may change within the resolution of its times
    new, known = sounds[:32], sounds[32]
    seen = threading.Event()
    with contextlib.closing(FeatureCache.at(tmp_path / "parent")) as cache:
        run_on(threads, [known], cache=cache)

        def paths() -> Iterator[str]:
            yield from new
            started = time.monotonic()
            while not seen.is_set():
                assert time.monotonic() - started < PATIENCE_S
                yield known
                time.sleep(0.001)

        outcomes = batch_on(
            threads,
            paths(),
            level=AnalysisLevel.BASIC,
            cache=cache,
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=lambda: 2,
        )
        found = set()
        for outcome in outcomes:
            found.add(outcome.path)
            if outcome.path != known:
                seen.set()
    assert found == {*new, known}


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_have_workers_of_their_own(threads: Executor, sounds: list[str]) -> None:
    run_on(threads, sounds)
    own = {child.pid for child in children()}
    assert own
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as executor:
        found = {outcome.path: outcome.answer for outcome in run_on(executor, sounds)}
    assert found == expected(sounds)
    assert {child.pid for child in children()} == own


def test_an_error_of_a_node_is_not_raised_there(sounds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_Workers", _Broken)
    with ThreadPoolExecutor(1) as executor:
        found = run_on(executor, sounds)
    assert len(found) == len(sounds)
    assert all(
        str(outcome.answer).endswith(f"in 4 tries: KeyError: 'redis://***@host' (on {platform.node()})")
        for outcome in found
    )


class _Broken:
    def __init__(self, _: object) -> None:
        raise KeyError("redis://:hush@host")


def test_series_come_through(threads: Executor, sounds: list[str]) -> None:
    [outcome] = run_on(threads, sounds[:1], series=True, level=AnalysisLevel.STANDARD)
    with AudioEngine(cache=None) as engine:
        answer = engine.analyze_audio(sounds[0], series=True)
    assert isinstance(outcome.answer, AudioFeatures)
    assert outcome.answer == answer
    assert outcome.answer.series is not None
    assert answer.series is not None
    assert all((outcome.answer.series[name] == answer.series[name]).all() for name in answer.series)


@pytest.mark.usefixtures("misbehaving")
def test_a_file_that_kills_its_worker_costs_that_file_and_is_quarantined(
    threads: Executor, write_wav: WriteWav, tmp_path: Path
) -> None:
    names = ["segfault", "once", *map(str, range(10))]
    paths = [str(write_wav(noise(0.2, seed=number), name=f"{name}.wav")) for number, name in enumerate(names)]
    with contextlib.closing(FeatureCache.at(tmp_path / "parent")) as cache:
        found = {Path(outcome.path).stem: outcome.answer for outcome in run_on(threads, paths, cache=cache)}
        assert type(found.pop("segfault")) is CrashError
        assert found.keys() == {"once", *map(str, range(10))}
        assert all(isinstance(answer, AudioFeatures) for answer in found.values())
        [outcome] = run_on(threads, paths[:1], cache=cache)
        assert type(outcome.answer) is QuarantinedError
        [outcome] = run_on(threads, paths[:1], cache=cache, retry_quarantined=True)
        assert type(outcome.answer) is CrashError
    with contextlib.closing(FeatureCache.at(tmp_path / "another")) as cache:  # the node remembers, too
        [outcome] = run_on(threads, paths[:1], cache=cache)
    assert type(outcome.answer) is QuarantinedError


class Unlucky(Executor):
    """Threads on which the first groups fail, as if their nodes were lost."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.flying = 0
        self.most = 0
        self._threads = ThreadPoolExecutor(2)
        self._guard = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with self._guard:
            self.losses -= 1
            self.flying += 1
            self.most = max(self.most, self.flying)
            lost = self.losses >= 0
        future = self._threads.submit(_lost if lost else function, *args, **kwargs)
        future.add_done_callback(self._landed)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _landed(self, _: object) -> None:
        with self._guard:
            self.flying -= 1


def _lost(*_: object) -> None:
    raise ConnectionError("the node does not answer any more")


def test_groups_of_lost_nodes_are_submitted_again(sounds: list[str]) -> None:
    with Unlucky(losses=5) as executor:
        found = {outcome.path: outcome.answer for outcome in run_on(executor, sounds)}
    assert found == expected(sounds)


def test_where_all_nodes_are_lost_each_file_has_an_error(sounds: list[str], tmp_path: Path) -> None:
    with contextlib.closing(FeatureCache.at(tmp_path / "parent")) as cache, Unlucky(losses=10**9) as executor:
        found = run_on(executor, sounds, cache=cache)
        assert sorted(outcome.path for outcome in found) == sorted(sounds)
        assert {str(outcome.answer).partition(": ")[2] for outcome in found} == {
            "no node could analyse its group, in 4 tries: the node does not answer any more"
        }
        assert {type(outcome.answer) for outcome in found} == {CrashError}
        assert sum(tier.state().entries for tier in cache.tiers) == 0  # the files are all right


def test_paths_are_read_as_they_are_needed_and_few_groups_are_in_flight(write_wav: WriteWav) -> None:
    path = str(write_wav(noise(0.1)))
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield path

    with Unlucky(losses=0) as executor:
        outcomes = batch_on(
            executor,
            endless(),
            level=AnalysisLevel.BASIC,
            cache=None,
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=lambda: 2,
        )
        for done, _ in enumerate(outcomes):
            if done == 1000:
                break
        outcomes.close()
        assert executor.most <= 8
    assert read <= 1000 + 10 * 32


def test_an_executor_that_is_broken_says_so(sounds: list[str]) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkerStartError, match="takes no more work: cannot schedule"):
        run_on(executor, sounds)


def test_another_version_of_a_node_is_refused(
    threads: Executor, sounds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "__version__", "0.0.1")
    with pytest.raises(WorkerStartError, match=r"has samplemind 0\.0\.1, and this is"):
        run_on(threads, sounds)


def test_workers_that_nobody_needs_end(threads: Executor, sounds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_IDLE_S", 0.1)
    monkeypatch.setattr(node, "_LOOK_S", 0.1)
    run_on(threads, sounds)
    started = time.monotonic()
    while children():
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.05)
    assert len(run_on(threads, sounds)) == len(sounds)


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if "samplemind.worker" in " ".join(child.cmdline()) else []
    return found


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    with contextlib.closing(Dask(tmp_path)) as cluster:
        yield cluster


def until(condition: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_dask_worker_that_is_killed_loses_nothing(dask: Dask, write_wav: WriteWav) -> None:
    workers = [dask.worker(path=MISBEHAVIOUR), dask.worker(path=MISBEHAVIOUR)]
    names = ["segfault", *map(str, range(150))]
    paths = [str(write_wav(noise(0.5, seed=number), name=f"{name}.wav")) for number, name in enumerate(names)]
    found = []
    with executor_for(dask.address, jobs=1) as (executor, slots):
        until(lambda: executor._client.scheduler_info()["n_workers"] == 2)  # type: ignore[attr-defined]
        outcomes = batch_on(
            executor,
            paths,
            level=AnalysisLevel.BASIC,
            cache=None,
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=slots,
        )
        for outcome in outcomes:
            found.append(outcome)
            if len(found) == 1:
                workers[0].send_signal(signal.SIGKILL)
    assert sorted(outcome.path for outcome in found) == sorted(paths)
    failed = [outcome.answer for outcome in found if not isinstance(outcome.answer, AudioFeatures)]
    assert [(type(error), Path(error.path).name) for error in failed] == [(CrashError, "segfault.wav")]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_dask_worker_that_is_killed_leaves_no_row_out_of_shards(
    dask: Dask, write_wav: WriteWav, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'samplemind[parquet]'")
    workers = [dask.worker(), dask.worker()]
    paths = [str(write_wav(noise(0.5, seed=number), name=f"{number}.wav")) for number in range(100)]
    with executor_for(dask.address, jobs=1) as (executor, slots):
        until(lambda: executor._client.scheduler_info()["n_workers"] == 2)  # type: ignore[attr-defined]
        rows = 0
        for shard in shards_on(
            executor,
            paths,
            str(tmp_path / "out"),
            level=AnalysisLevel.BASIC,
            use_cache=False,
            redis_url=None,
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=slots,
            rows=5,
        ):
            assert not shard.failed
            if not rows:
                workers[0].kill()
            rows += shard.rows
    assert rows == len(paths)
    found = [row for file in (tmp_path / "out").glob("part-*") for row in parquet.read_table(file)["path"].to_pylist()]
    assert sorted(found) == sorted(paths)


def test_dask_workers_of_another_version_are_refused(dask: Dask) -> None:
    dask.worker(path=SKEW)
    with pytest.raises(WorkerStartError, match=r"all nodes must have samplemind .*tcp://127.*has samplemind 0\.0\.1 "):
        _until_workers(dask)


def test_a_dask_worker_of_another_version_that_joins_later_gets_no_work(
    dask: Dask, sounds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dask.worker()
    told: list[str] = []
    with executor_for(dask.address, jobs=1, tell=told.append) as (executor, slots):
        until(lambda: slots() == 1)
        monkeypatch.setattr("samplemind.workers.fitting._ASKED_S", 1e9)  # it is found out by what it refuses
        dask.worker(path=SKEW)
        given: list[str] = []

        def paths() -> Iterator[str]:
            started = time.monotonic()
            while not told:
                assert time.monotonic() - started < PATIENCE_S
                given.extend(sounds)
                yield from sounds
            given.extend(sounds)
            yield from sounds

        options: dict[str, Any] = {"level": AnalysisLevel.BASIC, "cache": None, "slots": slots}
        options |= {"limits": Limits(), "worker_limits": WorkerLimits()}
        outcomes = batch_on(executor, paths(), **options)
        found = [outcome.path for outcome in outcomes if isinstance(outcome.answer, AudioFeatures)]
        assert sorted(found) == sorted(given)
        [line] = told
        assert re.match(r"tcp://127\.0\.0\.1:\d+ has samplemind 0\.0\.1 with Python .*: it gets no work", line)
        monkeypatch.setattr("samplemind.workers.fitting._ASKED_S", 0.1)
        monkeypatch.setattr("samplemind.workers.flights._WAIT_S", 0.5)
        good.kill()
        with pytest.raises(WorkerStartError, match=r"all nodes must have .* has samplemind 0\.0\.1"):
            list(batch_on(executor, sounds, **options))


def test_relative_paths_are_the_callers(
    dask: Dask, sounds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'samplemind[parquet]'")
    dask.worker()  # in `tmp_path`
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    names = [os.path.join("..", Path(path).name) for path in sounds[:3]]
    missing = os.path.join("..", "missing.wav")
    with executor_for(dask.address, jobs=1) as (executor, slots):
        until(lambda: slots() == 1)
        found = {outcome.path: outcome.answer for outcome in run_on(executor, [*names, missing])}
        options: dict[str, Any] = {"level": AnalysisLevel.BASIC, "use_cache": False, "redis_url": None}
        options |= {"limits": Limits(), "worker_limits": WorkerLimits()}
        [shard] = shards_on(executor, [*names, missing], "out", slots=slots, **options)
    assert str(found.pop(missing)) == f"{missing}: no such file or directory"
    assert found == expected(names)
    assert shard.failed == ((missing, "FileAccessError", "no such file or directory"),)
    assert parquet.read_table(here / "out" / shard.name)["path"].to_pylist() == [*names, missing]


def _until_workers(dask: Dask) -> None:
    until(lambda: _asked(dask) > 0)


def _asked(dask: Dask) -> int:
    with executor_for(dask.address, jobs=1) as (_, slots):
        return slots()


def test_dask_workers_without_samplemind_are_refused(dask: Dask, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['samplemind'] = None\n")
    dask.worker(path=tmp_path)
    with pytest.raises(WorkerStartError, match=r"tcp://127.* has no samplemind that can be asked: ModuleNotFoundError"):
        _until_workers(dask)


def test_a_scheduler_that_is_lost_in_mid_run_ends_it(
    dask: Dask, sounds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samplemind.workers.flights._WAIT_S", 0.5)
    dask.worker()
    dask_config = pytest.importorskip("dask").config
    with (
        dask_config.set({"distributed.comm.timeouts.connect": "1s"}),
        executor_for(dask.address, jobs=1) as (executor, slots),
    ):
        until(lambda: slots() == 1)
        outcomes = batch_on(
            executor,
            sounds * 100,
            level=AnalysisLevel.BASIC,
            cache=None,
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=slots,
        )
        next(outcomes)
        dask.scheduler.kill()
        with pytest.raises(WorkerStartError, match=r"the scheduler is gone|takes no more work"):
            list(outcomes)


def test_secrets_are_not_in_the_logs_of_nodes(dask: Dask, tmp_path: Path) -> None:
    dask.worker()
    with executor_for(dask.address, jobs=1) as (executor, slots):
        until(lambda: slots() == 1)
        shards = shards_on(
            executor,
            ["https://me:hush@127.0.0.1:9/a.wav"],
            str(tmp_path / "out"),
            level=AnalysisLevel.BASIC,
            use_cache=True,
            redis_url="none://me:hush@127.0.0.1:9",
            limits=Limits(),
            worker_limits=WorkerLimits(),
            slots=slots,
        )
        with pytest.raises(SettingsError, match=r"redis_url must be redis://") as caught:
            next(shards)
    assert "hush" not in str(caught.value)
    assert "distributed" in dask.log()
    assert "hush" not in dask.log()


def test_tls_is_what_dasks_configuration_says(sounds: list[str], tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    dask_config = pytest.importorskip("dask").config
    certificate, key = _self_signed(tmp_path)
    tls = {"ca-file": str(certificate)}
    for role in ("scheduler", "worker", "client"):
        tls |= {f"{role}.cert": str(certificate), f"{role}.key": str(key)}
    names = {name: f"DASK_DISTRIBUTED__COMM__TLS__{name.replace('.', '__').replace('-', '_').upper()}" for name in tls}
    with contextlib.closing(Dask(tmp_path, protocol="tls", **{names[name]: tls[name] for name in tls})) as dask:
        dask.worker()
        with pytest.raises(WorkerStartError, match=r"tls://127.* needs certificates: distributed\.comm\.tls"):
            _asked(dask)
        with dask_config.set({f"distributed.comm.tls.{name}": value for name, value in tls.items()}):
            _until_workers(dask)
            with executor_for(dask.address, jobs=1) as (executor, _):
                found = {outcome.path: outcome.answer for outcome in run_on(executor, sounds)}
    assert found == expected(sounds)


def _self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.mark.parametrize("address", ["foo", "tcp://", "tcp://host", "tcp://host:x", "http://host:1", "tcp://:8786"])
def test_what_is_no_address_is_refused_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    monkeypatch.delattr(distributed, "Client")  # it is not even tried
    with pytest.raises(WorkerStartError, match="is no scheduler: name its address"), executor_for(address, jobs=1):
        pass


@pytest.mark.parametrize("address", ["local:0", "local:none", "local:-1"])
def test_an_impossible_number_of_local_workers_is_refused(address: str) -> None:
    pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    with pytest.raises(WorkerStartError, match="name a number of workers"), executor_for(address, jobs=1):
        pass


def test_a_scheduler_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="pip install 'samplemind[cluster]'")
    monkeypatch.setattr("samplemind.workers.executors._REACH_S", 0.5)
    with (
        pytest.raises(WorkerStartError, match=r"the scheduler tcp://127\.0\.0\.1:9 can't be reached"),
        executor_for("tcp://127.0.0.1:9", jobs=1),
    ):
        pass
