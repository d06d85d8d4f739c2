"""Makes worker processes misbehave over files of certain names. Python imports it at its start if it is on the path."""

import ctypes
import os
import sys
import time

import samplemind.pipeline

_original = samplemind.pipeline.analyze_file


def analyze_file(path, **options):  # type: ignore[no-untyped-def]
    name = os.path.basename(options.get("name") or path)
    if "segfault" in name or ("once" in name and _first_time(path)):
        sys.stderr.write("about to fall\n")
        ctypes.string_at(0)
    if "exit" in name:
        sys.stderr.write("something is wrong\n")
        os._exit(3)
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
    return _original(path, **options)


def _first_time(path):  # type: ignore[no-untyped-def]
    try:
        os.close(os.open(f"{path}.tried", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


samplemind.pipeline.analyze_file = analyze_file
