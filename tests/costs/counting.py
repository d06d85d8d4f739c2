"""What nodes and an analysis cost, as counts that are the same at every run: calls, bytes, transforms."""

from __future__ import annotations

import functools
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import pytest
import scipy.fft

from samplemind import execution
from samplemind.execution import Run
from samplemind.graph import Node
from samplemind.plain import to_plain

TRANSFORMS = ("fft", "ifft", "rfft", "irfft")
"""Of `scipy.fft` and `numpy.fft`."""
INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}
"""What newer versions of Python no longer call, or call less often."""
UNCOUNTED = {"", "posixpath"}
"""Numba's kernels, which have no module, are told of in some versions of Python alone; paths take as many calls as
their folder is deep."""


@dataclass
class Cost:
    """What a node's function took in one run."""

    calls: int = 0
    allocated: int = 0
    """Bytes: the most that a call had at a time above what was there before it."""
    returned: int = 0
    """Bytes: the largest of the arrays that a call handed on."""
    transforms: Counter[int] = field(default_factory=Counter)
    """Fourier transforms by their length, in all calls."""

    @property
    def transformed(self) -> int:
        """Numbers that went through Fourier transforms, in all calls."""
        return sum(length * count for length, count in self.transforms.items())


@contextmanager
def counted_nodes() -> Iterator[dict[str, Cost]]:
    """Count what the functions of nodes do inside this context: their costs by name, complete at its end.

    Python, NumPy and Numba's kernels report to `tracemalloc` what they allocate; scratch memory of C libraries, as of
    SciPy's transforms, is not seen.
    """
    costs: dict[str, Cost] = {}
    transforms: Counter[int] = Counter()
    timed = execution._timed

    def counted(node: Node, arguments: Mapping[str, Any], run: Run) -> Any:
        transforms.clear()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = timed(node, arguments, run)
        _, peak = tracemalloc.get_traced_memory()
        cost = costs.setdefault(node.name, Cost())
        cost.calls += 1
        cost.allocated = max(cost.allocated, peak - before)
        cost.returned = max(cost.returned, _array_bytes(result[1] if node.kind == "scan" else result))
        cost.transforms += transforms
        return result

    with pytest.MonkeyPatch.context() as patch, _no_collection():
        patch.setattr(execution, "_timed", counted)
        for module in (scipy.fft, np.fft):
            for name in TRANSFORMS:
                patch.setattr(module, name, _counting(getattr(module, name), name == "irfft", transforms))
        tracemalloc.start()
        try:
            yield costs
        finally:
            tracemalloc.stop()


def python_calls(work: Callable[[], object]) -> Counter[str]:
    """Calls that Python makes, of its own functions and of C's, by the package (of ours: the module) they are in."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" or (event == "call" and frame.f_code.co_name not in INLINED):
            module: str = frame.f_globals.get("__name__", "")
            if module not in UNCOUNTED:
                calls[module if module.startswith("samplemind") else module.partition(".")[0]] += 1

    with _no_collection():
        other = sys.getprofile()
        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(other)
    return calls


@contextmanager
def _no_collection() -> Generator[None, None, None]:
    """A collection of garbage in between would take away what others left, at its own time."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _counting(transform: Callable[..., Any], to_real: bool, seen: Counter[int]) -> Callable[..., Any]:
    @functools.wraps(transform)
    def call(x: Any, n: int | None = None, axis: int = -1, *args: Any, **options: Any) -> Any:
        given = np.shape(x)[axis]
        result = transform(x, n, axis, *args, **options)
        length = n or (result.shape[axis] if to_real else given)
        seen[length] += result.size // result.shape[axis]
        return result

    return call


def _array_bytes(value: Any) -> int:
    sizes: list[int] = []
    to_plain(value, array=lambda array: sizes.append(array.nbytes))
    return sum(sizes)
