"""Numba kernels that cost nothing until they are called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_called: Final[list[Any]] = []
"""Numba's side of every kernel that was called."""
_announcement: Final[list[Callable[[], object]]] = []
"""What is still to be called before the first compilation: nothing or one function."""


class MachineCode(NamedTuple):
    """What the kernels run that this process has called."""

    loaded: int
    """Variants of kernels that were on disk: one for each combination of argument types."""
    compiled: int
    """Variants that this process compiled."""
    folders: tuple[str, ...]
    """Where the machine code is kept; none if no folder can be written, so that every process compiles anew."""


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """Compile a numeric function with Numba at its first call, and keep the machine code on disk.

    Importing Numba takes a third of a second; a process that only reads answers from the cache must not pay
    it. So a kernel is a plain function until it is called. Kernels can't call each other, and use nothing of other
    modules that could change: Numba keeps the machine code until the kernel's own file does.

    Arithmetic is reassociated (``fastmath``'s ``reassoc``, ``contract`` and ``nsz``) so that sums vectorise;
    NaN and infinity keep their meaning.
    """
    dispatcher: Callable[P, R] | None = None

    @functools.wraps(kernel)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal dispatcher
        if dispatcher is None:
            import numba

            _listen()
            jit = functools.partial(numba.njit, nogil=True, fastmath={"reassoc", "contract", "nsz"})
            try:
                dispatcher = jit(cache=True)(kernel)
            except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
                dispatcher = jit()(kernel)
            _called.append(dispatcher)
        return dispatcher(*args, **kwargs)

    return call


def before_compiling(announce: Callable[[], object]) -> None:
    """Have `announce` called before the next kernel that this process compiles, instead of who waits for that now.

    It is called once, and not at all while all machine code is on disk.
    """
    _announcement[:] = [announce]


def announce() -> None:
    """Tell who waits that something is compiled, here or in a worker, unless they know."""
    while _announcement:
        _announcement.pop()()


def machine_code() -> MachineCode:
    """What was loaded and compiled so far."""
    stats = [dispatcher.stats for dispatcher in _called]
    return MachineCode(
        loaded=sum(each.cache_hits.total() for each in stats),
        compiled=sum(each.cache_misses.total() for each in stats),
        folders=tuple(sorted({each.cache_path for each in stats if each.cache_path is not None})),
    )


@functools.cache
def _listen() -> None:
    """Hear of it when Numba compiles: it says so when it has found nothing on disk, and before the work."""
    from numba.core import event

    class Compilation(event.Listener):
        def on_start(self, event: object) -> None:
            announce()

        def on_end(self, event: object) -> None:
            pass

    event.register("numba:compile", Compilation())  # type: ignore[no-untyped-call]
