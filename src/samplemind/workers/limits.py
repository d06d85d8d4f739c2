"""What a worker may use for one file, and how the system holds it to that."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1e6


@dataclass(frozen=True)
class WorkerLimits:
    """What one file may cost. Times grow with the file's size; a file that needs more is given up.

    Args:
        memory_bytes: beyond what an idle worker takes.
        cpu_s: processor seconds.
        cpu_s_per_mb: more of them for each megabyte of the file.
        wall_s: seconds, however they pass.
        wall_s_per_mb: more of them for each megabyte: the disk may be far away.
    """

    memory_bytes: int = 2 * 2**30
    cpu_s: float = 60.0
    cpu_s_per_mb: float = 2.0
    wall_s: float = 180.0
    wall_s_per_mb: float = 6.0

    def cpu_for(self, size: int) -> float:
        """Processor seconds for a file of so many bytes."""
        return self.cpu_s + size / MEGABYTE * self.cpu_s_per_mb

    def wall_for(self, size: int) -> float:
        """Seconds for a file of so many bytes."""
        return self.wall_s + size / MEGABYTE * self.wall_s_per_mb


def available_cores() -> int:
    """Cores that this process may use: those it is bound to, within its control group's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(bound, math.floor(quota)) if quota else bound)


def _quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of time that the control group, and those around it, may use; None for as much as there is."""
    # In a container the group may have another name than outside: what holds for all is at the root.
    places = [("", "/"), ("cpu", "/")]
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = own.read_text(encoding="utf-8").splitlines()
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            places.append(("", path))
        elif "cpu" in controllers.split(","):  # version 1 of control groups
            places.append(("cpu", path))
    shares = []
    for controller, path in places:
        top = root / controller
        folder = top / path.lstrip("/")
        for each in (folder, *folder.parents):
            if each.is_relative_to(top):
                with contextlib.suppress(OSError, ValueError):
                    shares.append(_share(each, unified=not controller))
    return min((share for share in shares if share > 0), default=None)


def _share(group: Path, *, unified: bool) -> float:
    """A control group's own share in cores; 0 or less for no limit."""
    if unified:
        most, period = (group / "cpu.max").read_text(encoding="utf-8").split()
    else:
        most, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
    return 0.0 if most == "max" else float(most) / float(period)


def limit_memory(budget: int) -> None:
    """Let this process's address space grow by `budget` bytes from what it is now, where the system can hold it to."""
    if sys.platform != "linux":
        return  # elsewhere the parent's eye on resident memory has to do
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + budget
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def limit_cpu(seconds: float) -> None:
    """Have the system end this process (SIGXCPU) after so many more processor seconds."""
    if sys.platform == "win32":
        return
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def die_with(parent: int) -> None:
    """End this process when its parent does."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    else:
        threading.Thread(target=_end_without, args=[parent], daemon=True).start()
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def _end_without(parent: int) -> None:
    while os.getppid() == parent and _is_there(parent):
        time.sleep(1)
    os._exit(1)


def _is_there(process: int) -> bool:
    import psutil  # on Windows the parent's number stays when it is gone

    return psutil.pid_exists(process)


def give_way() -> None:
    """Let whatever else the user does go first."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
