"""Locks by key, among threads and among processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from samplemind.cache.alone import Alone, alone_at

HOLD = """
import sys, time
from pathlib import Path
from samplemind.cache.alone import alone_at
with alone_at(Path(sys.argv[1])).holding(sys.argv[2]) as waited:
    print(waited, flush=True)
    sys.stdin.readline()
"""


def holder(path: Path, key: str) -> subprocess.Popen[str]:
    """A process that holds a key until it is told a line."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("with_file", [False, True])
def test_threads_hold_a_key_one_after_the_other(tmp_path: Path, with_file: bool) -> None:
    alone = Alone(tmp_path / "lock" if with_file else None)
    inside, most, waits = 0, 0, []
    together = threading.Barrier(8)

    def work() -> None:
        nonlocal inside, most
        together.wait()
        with alone.holding("key") as waited:
            waits.append(waited)
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert sorted(waits) == [False] + [True] * 7


def test_another_key_does_not_wait(tmp_path: Path) -> None:
    alone = alone_at(tmp_path / "lock")
    with alone.holding("one") as first, alone.holding("two") as second:
        assert not first
        assert not second


def test_a_process_waits_for_another_one_with_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with holder(path, "key") as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "False\n"
        with alone_at(path).holding("another") as waited:
            assert not waited
        release = threading.Timer(0.2, lambda: other.communicate("go\n"))
        release.start()
        with alone_at(path).holding("key") as waited:
            assert waited
        release.join()
    assert path.stat().st_size == 0


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path / "lock", "key") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "False\n"
        other.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        other.wait()
    with alone_at(tmp_path / "lock").holding("key") as waited:
        assert not waited


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12 warns of what is tested
def test_a_forked_child_waits_for_its_parent_and_not_for_itself(tmp_path: Path) -> None:
    alone = alone_at(tmp_path / "lock")
    with alone.holding("key"):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with alone.holding("key") as waited:
                    status = 0 if waited else 2
            finally:
                os._exit(status)
        time.sleep(0.2)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    alone = alone_at(tmp_path / "lock")
    with pytest.raises(ZeroDivisionError), alone.holding("key"):
        raise ZeroDivisionError
    with alone.holding("key") as waited:
        assert not waited


def test_without_a_place_for_the_file_threads_still_take_turns(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with alone_at(tmp_path / "a file" / "lock").holding("key") as waited:
        assert not waited
