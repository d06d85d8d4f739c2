"""Services are killed under load, at any moment: what they accepted is done in the end, once, and nothing is torn.

python -m tests.campaigns.service_kill [--kills 100] [--clients 4] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import soundfile

from samplemind.audio import file_digest
from samplemind.cache import FeatureCache
from samplemind.features.levels import AnalysisLevel

_NOTING = Path(__file__).parent / "noting"
_SERVING = re.compile(r"serving at (http://\S+)")
_PATIENCE_S = 60.0
_DRAIN_S = 600.0
_ENDED = ("done", "failed", "cancelled", "quarantined")
_REFUSED = (429, 503)
"""Answers by which nothing is promised."""
WRONG = ("lost", "failed", "unanswered", "again", "torn", "left", "damaged", "errors")


class _Service:
    """A service whose processes can be killed together, and started again on the same folder."""

    def __init__(self, place: Path) -> None:
        self.data = place / "data"
        self.noted = place / "noted"
        self.log = place / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SAMPLEMIND_")}
        environment = {**own, "NOTED_COMPUTATIONS": str(self.noted), "PYTHONPATH": str(_NOTING)}
        command = [sys.executable, "-m", "samplemind", "serve", "--port", "0", "--data-dir", str(self.data), "-j", "2"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def address(self) -> str:
        """Where it serves, once it does."""
        give_up = time.monotonic() + _PATIENCE_S
        while time.monotonic() < give_up and self.process is not None and self.process.poll() is None:
            if found := _SERVING.search(self.log.read_text(encoding="utf-8")):
                return found[1]
            time.sleep(0.01)
        raise RuntimeError(f"the service did not start: {self.log.read_text(encoding='utf-8')}")

    def kill(self) -> None:
        """Kill it, and its workers."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def left(self) -> int:
        """How many bodies are left that were being received."""
        return len(list((self.data / "incoming").iterdir()))

    def is_whole(self) -> bool:
        """Whether SQLite finds nothing wrong with the library."""
        path = self.data / "library.db"
        if not path.exists():
            return True
        with contextlib.closing(sqlite3.connect(path)) as connection:
            problems = connection.execute("PRAGMA integrity_check").fetchall()
            problems += connection.execute("PRAGMA foreign_key_check").fetchall()
        return problems == [("ok",)]

    def computed(self) -> list[tuple[str, str]]:
        """Sounds and levels that were computed, in their order."""
        lines = self.noted.read_text(encoding="ascii").splitlines() if self.noted.exists() else []
        return [(digest, level) for digest, level in map(str.split, lines)]

    def stored(self) -> set[tuple[str, str]]:
        """Sounds and levels that the cache has, with all levels that these include."""
        with contextlib.closing(FeatureCache.at(self.data / "cache")) as cache:
            keys = [key.split("/") for key, _ in cache.tiers[1].items() if key.startswith("audio/")]
        return {(digest, str(each)) for _, digest, level in keys for each in AnalysisLevel(level).included}


class _Clients:
    """Clients that upload sounds, no two the same, and have them analysed; what they were promised is kept."""

    def __init__(self, count: int, seed: int) -> None:
        self.uploads: set[str] = set()
        self.jobs: set[str] = set()
        self.found: Counter[str] = Counter()
        self.errors: list[str] = []
        self._address: str | None = None
        self._served = threading.Condition()
        self._over = threading.Event()
        states = [random.Random(f"{seed} {number}") for number in range(count)]  # noqa: S311  # no secret
        self._threads = [threading.Thread(target=self._ask, args=[state]) for state in states]
        for thread in self._threads:
            thread.start()

    def send_to(self, address: str | None) -> None:
        """Have them ask the service at this address, or none."""
        with self._served:
            self._address = address
            self._served.notify_all()

    def stop(self) -> None:
        """Have them end."""
        self._over.set()
        self.send_to(None)
        for thread in self._threads:
            thread.join()

    def _ask(self, state: random.Random) -> None:
        while not self._over.is_set():
            with self._served:
                self._served.wait_for(lambda: self._address is not None or self._over.is_set())
                address = self._address
            if address is None:
                continue
            # A service that was killed answers nothing: what it would have said was not promised.
            with contextlib.suppress(httpx.TransportError), httpx.Client(base_url=address, timeout=_PATIENCE_S) as http:
                while self._address == address:
                    self._ask_once(http, state)
                    time.sleep(state.uniform(0.0, 0.05))

    def _ask_once(self, http: httpx.Client, state: random.Random) -> None:
        level = state.choice(("basic", "standard"))
        kind = state.random()
        if kind < 0.1 and self.uploads:
            several = state.sample(sorted(self.uploads), min(5, len(self.uploads)))
            self._promised(http.post("/api/v1/batches", json={"ids": several, "level": level}))
            return
        content = _pieces(_sound(state), 0.02 if kind < 0.3 else 0.0)
        headers = {"Content-Type": "audio/wav"}
        if kind < 0.5:
            options = {"level": level, "wait_s": "0", "name": "sound.wav"}
            self._promised(http.post("/api/v1/analyze", params=options, content=content, headers=headers))
            return
        answer = http.post("/api/v1/audio", params={"name": "sound.wav"}, content=content, headers=headers)
        if self._accepted(answer):
            audio_id = answer.json()["id"]
            self.uploads.add(audio_id)
            self._promised(http.post(f"/api/v1/audio/{audio_id}/analysis", params={"level": level}))

    def _promised(self, answer: httpx.Response) -> None:
        if self._accepted(answer) and answer.status_code == 202:
            self.jobs.add(answer.json()["id"])

    def _accepted(self, answer: httpx.Response) -> bool:
        if not answer.is_success and answer.status_code not in _REFUSED:
            self.found["errors"] += 1
            self.errors.append(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        return answer.is_success


def run(kills: int, *, clients: int = 4, seed: int = 0) -> Counter[str]:
    """Kill a service under load, and then let it end what it has accepted.

    Returns:
        How often it was killed; how many uploads and jobs it had accepted, how many of these were "done" and how many
        "quarantined", because too many services had died with them in hand; and what was wrong: jobs that were "lost"
        or "failed", "unanswered" ones that were done without an answer, sounds that were computed "again", "torn" and
        missing uploads, bodies "left" over, a "damaged" library, and "errors" that clients were told.
    """
    state = random.Random(seed)  # noqa: S311  # no secret
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        service = _Service(Path(name))
        asking = _Clients(clients, seed)
        stored: set[tuple[str, str]] = set()
        seen = 0
        try:
            while found["killed"] < kills:
                service.start()
                if state.random() < 0.2 and found["killed"]:  # before it is ready
                    time.sleep(state.uniform(0.0, 2.0))
                else:
                    address = service.address()
                    found["left"] += service.left()
                    asking.send_to(address)
                    time.sleep(state.uniform(0.1, 4.0))
                service.kill()
                asking.send_to(None)
                found["killed"] += 1
                found["damaged"] += not service.is_whole()
                found["again"] += _again(service.computed()[seen:], stored)
                seen = len(service.computed())
                stored = service.stored()
            service.start()
            address = service.address()
            found["left"] += service.left()
            asking.stop()
            with httpx.Client(base_url=address, timeout=_PATIENCE_S) as http:
                _drain(http)
                found += _outcome(http, asking)
            found["again"] += _again(service.computed()[seen:], stored)
            found["computed"] = len(service.computed())
            found["torn"] += _torn(service, asking.uploads)
        finally:
            asking.stop()
            service.kill()
    found["errors"] += asking.found["errors"]
    for error in asking.errors[:5]:
        print(error, file=sys.stderr)
    return found


def _again(computed: list[tuple[str, str]], stored: set[tuple[str, str]]) -> int:
    """How many of the computations between two kills were of what was stored before, or of the same."""
    return len(computed) - len(set(computed)) + len(set(computed) & stored)


def _drain(http: httpx.Client) -> None:
    """Wait until no job is left to do."""
    give_up = time.monotonic() + _DRAIN_S
    while time.monotonic() < give_up:
        pages = [http.get("/api/v1/jobs", params={"state": each, "limit": 1}).json() for each in ("queued", "running")]
        if not any(page["items"] for page in pages):
            return
        time.sleep(0.2)


def _outcome(http: httpx.Client, asking: _Clients) -> Counter[str]:
    """What has become of what was promised."""
    found: Counter[str] = Counter(uploads=len(asking.uploads), jobs=len(asking.jobs))
    for ticket in asking.jobs:
        answer = http.get(f"/api/v1/jobs/{ticket}")
        job = answer.json() if answer.is_success else {"state": "gone"}
        if job["state"] not in _ENDED:
            found["lost"] += 1
            continue
        found[job["state"]] += 1
        if job["state"] == "done" and job["kind"] == "analysis":
            analysis = http.get(f"/api/v1/audio/{job['subject']}/analysis", params={"level": job["level"]})
            found["unanswered"] += not analysis.is_success
    return found


def _torn(service: _Service, accepted: set[str]) -> int:
    """How many uploads are not what their folder says, or not there."""
    folders = list((service.data / "audio").iterdir())
    wrong = sum([file_digest(path) for path in folder.iterdir()] != [folder.name] for folder in folders)
    return wrong + len(accepted - {folder.name for folder in folders})


def _sound(state: random.Random) -> bytes:
    """A WAV file of noise that nobody has heard before."""
    samples = np.random.default_rng(state.getrandbits(64)).standard_normal(state.randrange(4_000, 200_000)) * 0.1
    file = io.BytesIO()
    soundfile.write(file, samples, 44_100, format="WAV")
    return file.getvalue()


def _pieces(content: bytes, pause_s: float) -> Iterator[bytes]:
    """A body, slower or faster: a service may be killed in the midst of it."""
    for start in range(0, len(content), 2**15):
        yield content[start : start + 2**15]
        time.sleep(pause_s)


def main() -> None:
    """Run the campaign, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = run(arguments.kills, clients=arguments.clients, seed=arguments.seed)
    print(dict(found))
    wrong = [what for what in WRONG if found[what]]
    sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
