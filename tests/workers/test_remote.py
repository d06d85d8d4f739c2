"""Files behind URLs: their answers are those of the same files here, and whatever goes wrong is one file's error."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samplemind import AnalysisError, AudioEngine, AudioFeatures, FeatureCache
from samplemind.audio import Limits
from samplemind.discovery import AUDIO_SUFFIXES, audio_files
from samplemind.errors import CrashError, FileAccessError, LimitExceededError, OutputError, QuarantinedError
from samplemind.features.levels import AnalysisLevel
from samplemind.workers.batch import batch
from samplemind.workers.cluster import shards_on
from samplemind.workers.executors import executor_for
from samplemind.workers.fetch import analyze_url
from samplemind.workers.limits import WorkerLimits
from samplemind.workers.remote import is_folder, is_url, line_of, look_up, shown, urls_below
from samplemind.workers.shards import ShardFolder
from tests.conftest import WriteWav
from tests.signals import noise

fsspec = pytest.importorskip("fsspec", reason="pip install 'samplemind[remote]'")


@pytest.fixture
def sound(write_wav: WriteWav) -> Path:
    return write_wav(noise(0.5))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[FeatureCache]:
    with contextlib.closing(FeatureCache.at(tmp_path / "cache")) as cache:
        yield cache


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


def analyzed(url: str, *, cache: FeatureCache | None = None, **options: Any) -> Any:
    settings: dict[str, Any] = {"level": AnalysisLevel.BASIC, "limits": Limits(), **options}
    return analyze_url(url, cache=cache, **settings)


def in_workers(urls: list[str], cache: FeatureCache | None = None, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"limits": Limits(), "workers": 1, "worker_limits": WorkerLimits(), **options}
    found = list(batch(urls, level=AnalysisLevel.BASIC, cache=cache, **settings))
    assert sorted(outcome.path for outcome in found) == sorted(urls)
    return {outcome.path: outcome.answer for outcome in found}


def but_its_name(features: AudioFeatures) -> dict[str, Any]:
    return {name: value for name, value in features.to_dict().items() if name != "path"}


def here(path: Path) -> AudioFeatures:
    with AudioEngine(cache=None) as engine:
        return engine.analyze_audio(path, level="basic")


def open_files() -> list[str]:
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(("samplemind-url-", "tmp"))]


class Pages(http.server.ThreadingHTTPServer):
    """A web server over a folder, with entity tags if it is told so; paths with `forbidden` or `flaky` are special."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.tags = True
        self.hang = threading.Event()
        super().__init__(("127.0.0.1", 0), _Page)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Page(http.server.SimpleHTTPRequestHandler):
    server: Pages

    def __init__(self, request: Any, client: Any, server: Pages) -> None:
        super().__init__(request, client, server, directory=str(server.folder))

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "forbidden" in self.path:
            self.send_error(403)
        elif "endless" in self.path:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(2**16))
        elif "stalled" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.server.hang.wait(60)
        elif "flaky" in self.path and self.server.asked.count(self.path) < 2:
            self.send_error(503)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if any(word in self.path for word in ("forbidden", "endless", "stalled")):
            self.send_response(403 if "forbidden" in self.path else 200)
            self.end_headers()
        else:
            super().do_HEAD()

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if self.server.tags and path.is_file():
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    folder = tmp_path / "pages"
    folder.mkdir()
    with Pages(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.hang.set()
        server.shutdown()
        thread.join()


def test_what_a_url_is() -> None:
    assert is_url("s3://bucket/a.wav")
    assert is_url("https://host/a.wav")
    assert not is_url("a.wav")
    assert not is_url("/a//b.wav")
    assert not is_url("C://a.wav")
    assert not is_url("odd name: //x.wav")


def test_secrets_are_not_shown() -> None:
    assert shown("https://me:pass@host:8/a.wav") == "https://***@host:8/a.wav"
    assert shown("https://host/a.wav?id=5&X-Amz-Signature=abc&token=d") == (
        "https://host/a.wav?id=5&X-Amz-Signature=***&token=***"
    )
    assert shown("s3://bucket/a b#c.wav") == "s3://bucket/a b#c.wav"
    assert shown("/home/me:pass@host/a.wav") == "/home/me:pass@host/a.wav"
    assert shown("zip://a.wav::https://me:pass@host/b.zip?sig=c") == "zip://a.wav::https://***@host/b.zip?sig=***"
    assert line_of(OSError("GET https://me:pass@host/a?sig=b failed\nmore")) == "GET https://***@host/a?sig=*** failed"


def test_an_object_has_the_answer_of_its_file(memory: Any, sound: Path) -> None:
    memory.pipe("/sounds/a.wav", sound.read_bytes())
    before = open_files()
    found = analyzed("memory://sounds/a.wav").features
    assert found.path == "memory://sounds/a.wav"
    assert but_its_name(found) == but_its_name(here(sound))
    assert open_files() == before


def test_a_url_of_a_file_is_the_file(sound: Path, cache: FeatureCache) -> None:
    found = in_workers([sound.as_uri(), f"{sound.parent.as_uri()}/missing.wav"], cache)
    assert but_its_name(found[sound.as_uri()]) == but_its_name(here(sound))
    assert found[sound.as_uri()].path == sound.as_uri()
    error = found[f"{sound.parent.as_uri()}/missing.wav"]
    assert (type(error), error.path, error.reason) == (
        FileAccessError,
        f"{sound.parent.as_uri()}/missing.wav",
        "no such file or directory",
    )


def test_an_engine_takes_urls(pages: Pages, sound: Path, engine: AudioEngine) -> None:
    (pages.folder / "a.wav").write_bytes(sound.read_bytes())
    found = engine.analyze_audio(f"{pages.url}/a.wav", level="basic")
    assert but_its_name(found) == but_its_name(here(sound))
    with pytest.raises(FileAccessError, match="no such file or directory"):
        engine.analyze_audio(f"{pages.url}/missing.wav")


def test_pages_have_the_answers_of_their_files(pages: Pages, sound: Path) -> None:
    (pages.folder / "a.wav").write_bytes(sound.read_bytes())
    (pages.folder / "flaky.wav").write_bytes(sound.read_bytes())
    names = ("a.wav", "flaky.wav", "missing.wav", "forbidden.wav")
    found = in_workers([f"{pages.url}/{name}" for name in names])
    good, flaky, missing, forbidden = (found[f"{pages.url}/{name}"] for name in names)
    assert but_its_name(good) == but_its_name(flaky) == but_its_name(here(sound))
    assert (type(missing), missing.reason) == (FileAccessError, "no such file or directory")
    assert (type(forbidden), forbidden.reason) == (FileAccessError, "access denied")


def test_no_password_is_in_what_is_said(pages: Pages, sound: Path) -> None:
    (pages.folder / "a.wav").write_bytes(sound.read_bytes())
    secret = pages.url.replace("http://", "http://me:hush@")
    found = in_workers([f"{secret}/a.wav", f"{secret}/missing.wav", f"{secret}/forbidden.wav"])
    assert all(isinstance(answer.path, str) and "hush" not in str(answer) for answer in found.values())


def test_bytes_are_counted_as_they_come(pages: Pages, memory: Any) -> None:
    tight = Limits(max_bytes=10**6)
    memory.pipe("/large.wav", bytes(2 * 10**6))
    with pytest.raises(LimitExceededError, match=r"memory://large\.wav: 2000000 bytes; the limit is 1000000"):
        analyzed("memory://large.wav", limits=tight)
    with pytest.raises(LimitExceededError, match=r"endless\.wav: more than 1000000 bytes"):
        analyzed(f"{pages.url}/endless.wav", limits=tight)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_server_that_sends_nothing_is_given_up_at_once(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(FileAccessError, match=r"stalled.wav: can't be fetched: nothing came for 0\.3 s"):
        analyzed(f"{pages.url}/stalled.wav", stall_s=0.3)
    assert pauses == []  # tried again, it would take longer than the worker's parent waits
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_no_server_is_an_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        with pytest.raises(FileAccessError, match="can't be fetched: "):
            analyzed(url)


def test_what_is_not_there_to_open_it_is_named() -> None:
    with pytest.raises(FileAccessError, match=r"another package is needed: .*gcsfs"):
        analyzed("gs://bucket/a.wav")
    with pytest.raises(FileAccessError, match=r"http://\*\*\*: Invalid IPv6 URL"):
        analyzed("http://[me:hush@nonsense/a.wav")
    [error] = audio_files(["http://[nonsense/"])
    assert isinstance(error, FileAccessError)
    assert list(audio_files(["http://[nonsense/a"])) == ["http://[nonsense/a"]
    with pytest.raises(FileAccessError, match="Protocol not known: nonsense"):
        analyzed("nonsense://bucket/a.wav")


def test_an_unchanged_page_is_not_fetched_again(pages: Pages, sound: Path, cache: FeatureCache) -> None:
    page = pages.folder / "a.wav"
    page.write_bytes(sound.read_bytes())
    url = f"{pages.url}/a.wav"
    first = analyzed(url, cache=cache)
    assert first.run is not None
    fetched = len(pages.asked)
    again = analyzed(url, cache=cache)
    assert again.run is None
    assert again.features == first.features
    assert len(pages.asked) == fetched
    page.write_bytes(page.read_bytes() + bytes(100))
    assert analyzed(url, cache=cache).features.file_digest != first.features.file_digest
    assert len(pages.asked) == fetched + 1


def test_a_time_of_change_counts_only_when_it_lies_back(pages: Pages, sound: Path) -> None:
    pages.tags = False
    page = pages.folder / "a.wav"
    page.write_bytes(sound.read_bytes())
    assert look_up(f"{pages.url}/a.wav").key is None
    os.utime(page, (1e9, 1e9))
    key = look_up(f"{pages.url}/a.wav").key
    assert key is not None
    os.utime(page, (1e9 + 1, 1e9 + 1))
    assert look_up(f"{pages.url}/a.wav").key not in (None, key)


def test_what_changes_while_it_is_fetched_is_refused(memory: Any, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/a.wav", sound.read_bytes())
    tags = iter("ab")
    original = type(memory).info
    monkeypatch.setattr(type(memory), "info", lambda fs, path: {**original(fs, path), "ETag": next(tags)})
    with pytest.raises(FileAccessError, match=r"a\.wav: changed while it was read"):
        analyzed("memory://a.wav")


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform == "win32", reason="the workers misbehave in POSIX ways")
def test_a_page_that_kills_its_worker_is_quarantined(pages: Pages, sound: Path, cache: FeatureCache) -> None:
    (pages.folder / "segfault.wav").write_bytes(sound.read_bytes())
    url = f"{pages.url}/segfault.wav"
    before = open_files()
    [first] = in_workers([url], cache).values()
    assert type(first) is CrashError
    assert open_files() == before
    [again] = in_workers([url], cache).values()
    assert type(again) is QuarantinedError
    assert again.reason == f"not tried again: {first.reason}"
    [retried] = in_workers([url], cache, retry_quarantined=True).values()
    assert type(retried) is CrashError


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.skipif(sys.platform == "win32", reason="the workers misbehave in POSIX ways")
def test_a_url_of_a_file_that_kills_its_worker_is_quarantined(sound: Path, cache: FeatureCache) -> None:
    path = sound.rename(sound.with_name("segfault.wav"))
    [first] = in_workers([path.as_uri()], cache).values()
    assert type(first) is CrashError
    [again] = in_workers([path.as_uri()], cache).values()
    assert type(again) is QuarantinedError
    assert again.path == path.as_uri()
    [by_name] = in_workers([str(path)], cache).values()
    assert type(by_name) is QuarantinedError
    [retried] = in_workers([path.as_uri()], cache, retry_quarantined=True).values()
    assert type(retried) is CrashError


def test_a_page_that_has_an_answer_of_another_level_can_be_quarantined(
    pages: Pages, sound: Path, cache: FeatureCache
) -> None:
    (pages.folder / "a.wav").write_bytes(sound.read_bytes())
    url = f"{pages.url}/a.wav"
    found = analyzed(url, cache=cache).features
    cache.put({f"quarantine/{look_up(url).key}": b"crashed: Segmentation fault"})
    assert analyzed(url, cache=cache).features == found
    with pytest.raises(QuarantinedError, match="not tried again: crashed"):
        analyzed(url, cache=cache, level=AnalysisLevel.STANDARD)


def test_folders_are_walked_where_a_file_system_takes_few_arguments(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = type(memory).ls
    monkeypatch.setattr(type(memory), "ls", lambda fs, path, detail=False: original(fs, path, detail=detail))  # SFTP's
    memory.pipe("/top/a.wav", b"")
    assert list(urls_below("memory://top", AUDIO_SUFFIXES)) == ["memory://top/a.wav"]


def test_folders_are_walked(memory: Any) -> None:
    for name in ("b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "deep/er/c.mp3", "deep/d.wav", ".no/e.wav"):
        memory.pipe(f"/top/{name}", b"")
    memory.pipe("/topology/f.wav", b"")
    found = list(urls_below("memory://top", AUDIO_SUFFIXES))
    assert found == [f"memory://top/{name}" for name in ("a.FLAC", "b.wav", "deep/d.wav", "deep/er/c.mp3")]
    assert is_folder("memory://top", AUDIO_SUFFIXES)
    assert is_folder("memory://top/", AUDIO_SUFFIXES)
    assert not is_folder("memory://top/b.wav", AUDIO_SUFFIXES)
    assert list(audio_files(["memory://top/deep", "memory://top/b.wav", "https://host/page"])) == [
        "memory://top/deep/d.wav",
        "memory://top/deep/er/c.mp3",
        "memory://top/b.wav",
        "https://host/page",
    ]
    [error] = urls_below("memory://nowhere/", AUDIO_SUFFIXES)
    assert isinstance(error, FileAccessError)


def test_indexes_of_web_servers_are_walked(pages: Pages, sound: Path) -> None:
    (pages.folder / "deep").mkdir()
    for name in ("b.wav", "a b.wav", "deep/c.wav", "notes.txt"):
        (pages.folder / name).write_bytes(sound.read_bytes())
    found = [item for item in urls_below(f"{pages.url}/", AUDIO_SUFFIXES) if isinstance(item, str)]
    assert found == [f"{pages.url}/{name}" for name in ("a%20b.wav", "b.wav", "deep/c.wav")]
    assert isinstance(in_workers(found[:1])[found[0]], AudioFeatures)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A server of S3's kind."""
    pytest.importorskip("s3fs", reason="pip install 'samplemind[s3]'")
    pytest.importorskip("moto", reason="pip install 'moto[server]'")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        started = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert time.monotonic() - started < 60
                time.sleep(0.05)
        yield url
        process.kill()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, for this process and its workers."""
    names = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**names, "AWS_ENDPOINT_URL": store}.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    fs.mkdir("sounds")
    yield fs
    fs.rm("sounds", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_is_analysed(bucket: Any, write_wav: WriteWav, cache: FeatureCache) -> None:
    paths = [write_wav(noise(0.3, seed=number), name=f"{number}.wav") for number in range(5)]
    for path in paths:
        bucket.pipe(f"sounds/kit/{path.name}", path.read_bytes())
    assert is_folder("s3://sounds/kit", AUDIO_SUFFIXES)
    urls = [item for item in urls_below("s3://sounds/", AUDIO_SUFFIXES) if isinstance(item, str)]
    assert urls == [f"s3://sounds/kit/{path.name}" for path in paths]
    missing = "s3://sounds/missing.wav"
    found = in_workers([*urls, missing], cache)
    error = found.pop(missing)
    assert isinstance(error, AnalysisError)
    assert error.reason == "no such file or directory"
    assert [but_its_name(found[url]) for url in urls] == [but_its_name(here(path)) for path in paths]
    remembered = {url: analyzed(url, cache=cache) for url in urls}
    assert all(analysis.run is None and analysis.features == found[url] for url, analysis in remembered.items())


def test_shards_go_to_a_bucket(bucket: Any, write_wav: WriteWav) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'samplemind[parquet]'")
    paths = [str(write_wav(noise(0.3, seed=number), name=f"{number}.wav")) for number in range(6)]

    def shards() -> Iterator[Any]:
        with executor_for(None, jobs=1) as (executor, slots):
            yield from shards_on(
                executor,
                paths,
                "s3://sounds/run/",
                level=AnalysisLevel.BASIC,
                use_cache=False,
                redis_url=None,
                limits=Limits(),
                worker_limits=WorkerLimits(),
                slots=slots,
                rows=2,
            )

    interrupted = shards()
    next(interrupted)
    interrupted.close()  # type: ignore[attr-defined]
    bucket.pipe("sounds/run/part-00009-0123456789abcdef.parquet", b"of another list")
    done = list(shards())
    assert any(shard.skipped for shard in done)
    bucket.invalidate_cache()
    names = {name.rpartition("/")[2] for name in bucket.ls("sounds/run", detail=False)}
    assert names == {"manifest.json", *(shard.name for shard in done)}
    tables = [parquet.read_table(f"sounds/run/{shard.name}", filesystem=bucket) for shard in done]
    assert sorted(path for table in tables for path in table["path"].to_pylist()) == paths
    with pytest.raises(OutputError, match="finished run"):
        next(shards())
    with pytest.raises(OutputError, match=r"s3://no-such-bucket/run can't be used: "):
        ShardFolder("s3://no-such-bucket/run").begin(level="basic", rows=2)
