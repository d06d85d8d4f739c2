"""Numba kernels that cost nothing until they are called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


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

            jit = functools.partial(numba.njit, nogil=True, fastmath={"reassoc", "contract", "nsz"})
            try:
                dispatcher = jit(cache=True)(kernel)
            except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
                dispatcher = jit()(kernel)
        return dispatcher(*args, **kwargs)

    return call
