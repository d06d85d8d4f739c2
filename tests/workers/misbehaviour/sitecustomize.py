"""Makes worker processes misbehave over files of certain names. Python imports it at its start if it is on the path."""

import ctypes
import os
import signal
import sys
import time

import samplemind.pipeline
import samplemind.workers.drawing

_analyze_file = samplemind.pipeline.analyze_file
_draw = samplemind.workers.drawing.draw


def analyze_file(path, **options):  # type: ignore[no-untyped-def]
    _misbehave(path, os.path.basename(options.get("name") or path))
    return _analyze_file(path, **options)


def draw(path, drawing, **options):  # type: ignore[no-untyped-def]
    torn = "torn" in path and getattr(drawing, "target", None)
    if torn:
        with open(torn, "wb") as file:
            file.write(b"fLaC")
    _misbehave(path, os.path.basename(path))
    if torn:
        os.unlink(torn)
    return _draw(path, drawing, **options)


def _misbehave(path, name):  # type: ignore[no-untyped-def]
    if "segfault" in name or ("once" in name and _first_time(path)):
        sys.stderr.write("about to fall\n")
        ctypes.string_at(0)
    if "exit" in name:
        sys.stderr.write("something is wrong\n")
        os._exit(3)
    if "killed" in name or ("shot" in name and _times(path) <= 5):
        os.kill(os.getpid(), signal.SIGKILL)  # to the parent as if somebody else had done it
    if "waiting" in name:
        open(f"{path}.begun", "w").close()
        while not os.path.exists(f"{path}.go"):
            time.sleep(0.01)
    if "hang" in name:
        time.sleep(3600)
    if "spin" in name:
        while True:
            pass
    if "memory" in name:
        hoard = []
        while True:
            hoard.append(bytes(64 * 2**20))
    if "resident" in name:  # as if the system did not hold the address space to its limit
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        hoard = []
        while True:
            hoard.append(b"x" * 2**26)


def _first_time(path):  # type: ignore[no-untyped-def]
    try:
        os.close(os.open(f"{path}.tried", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _times(path):  # type: ignore[no-untyped-def]
    with open(f"{path}.times", "a+") as file:
        file.write("x")
    return os.path.getsize(f"{path}.times")


if "samplemind.worker" in sys.orig_argv and "SHOT_STARTS" in os.environ and _times(os.environ["SHOT_STARTS"]) <= 5:
    os.kill(os.getpid(), signal.SIGKILL)

samplemind.pipeline.analyze_file = analyze_file
samplemind.workers.drawing.draw = draw
