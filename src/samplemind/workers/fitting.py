"""Dask's workers as an executor: those of the caller's versions get work, others that join later get none."""

from __future__ import annotations

import contextlib
import math
import platform
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final

from samplemind.errors import WorkerStartError
from samplemind.version import __version__
from samplemind.workers.remote import line_of, shown

if TYPE_CHECKING:
    from distributed import Client

_ASKED_S: Final = 5.0
"""How often a scheduler is asked what workers it has."""


def versions() -> tuple[str, str]:
    """Versions that must be the same on all nodes: samplemind's, and the first two numbers of Python's."""
    return __version__, ".".join(platform.python_version_tuple()[:2])


class FittingNodes(Executor):
    """Sends groups to Dask's workers of the same versions as this process.

    Args:
        client: of the scheduler.
        scheduler: its address.
        tell: is told, as a line for people, that there is nobody to work, and who is left out.

    Raises:
        WorkerStartError: a worker that is there is of another version.
    """

    def __init__(self, client: Client, scheduler: str, tell: Callable[[str], object]) -> None:
        self._client = client
        self._scheduler = shown(scheduler)
        self._tell = tell
        # Not pure: a group that was lost is not to be answered with the loss.
        self._inner = client.get_executor(pure=False)
        self._asked = -math.inf
        self._count = 1
        self._empty = 0
        self._fit: frozenset[str] = frozenset()
        self._others: dict[str, str] = {}
        self._bound: dict[Future[Any], frozenset[str]] = {}
        found = self._versions()
        self._others = _others(found)
        if self._others:
            raise WorkerStartError(self._refusal())
        self._fit = frozenset(found)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a group."""
        fit = self._fit if self._others and self._fit else None
        if fit is None:
            free: Future[Any] = self._inner.submit(function, *args, **kwargs)
            return free
        future: Future[Any] = self._inner.submit(
            function, *args, **kwargs, workers=sorted(fit), allow_other_workers=False
        )
        self._bound[future] = fit
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Call off what was submitted, unless it should be waited for."""
        if self._client.status != "closed":
            self._inner.shutdown(wait=wait)

    def leave_out_others(self) -> None:
        """Look whether nodes are of another version, one of which has just refused a group.

        Raises:
            WorkerStartError: there are no others.
        """
        with contextlib.suppress(Exception):  # the scheduler may come back
            self._look()
        if self._others and not self._fit:
            raise WorkerStartError(self._refusal())

    def slots(self) -> int:
        """How many threads they have, asked anew every few seconds, unless the scheduler is gone for good.

        Raises:
            WorkerStartError: the scheduler is gone, or has only nodes of other versions.
        """
        if time.monotonic() - self._asked > _ASKED_S:
            with contextlib.suppress(Exception):  # it may come back
                self._look()
            self._asked = time.monotonic()
            self._empty = 0 if self._count else self._empty + 1
            if self._empty == 2 and self._others:
                raise WorkerStartError(self._refusal())
            if self._empty == 2:
                self._tell(f"the scheduler {self._scheduler} has no workers: waiting for some")
        if self._client.status == "closed":
            raise WorkerStartError("the scheduler is gone")
        return self._count

    def _look(self) -> None:
        """See who is there, and ask newcomers what they are."""
        threads: dict[str, int] = self._client.nthreads()
        known = self._fit | self._others.keys()
        found = self._versions(threads.keys() - known) if threads.keys() - known else {}
        # One that was lost meanwhile is asked again, if it comes back.
        found = {address: theirs for address, theirs in found.items() if not isinstance(theirs, OSError)}
        others = _others(found)
        for reason in others.values():
            self._tell(f"{reason}: it gets no work, as this is samplemind {' with Python '.join(versions())}")
        self._others = {address: why for address, why in (self._others | others).items() if address in threads}
        self._fit = frozenset(address for address in threads if address in self._fit | (found.keys() - others.keys()))
        self._count = sum(threads[address] for address in self._fit)
        self._bound = {future: fit for future, fit in self._bound.items() if not future.done()}
        if self._fit:
            for future, fit in self._bound.items():
                if fit.isdisjoint(self._fit):  # all that it may go to are gone
                    future.cancel()

    def _versions(self, addresses: Iterable[str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self._client.run(
            versions, workers=None if addresses is None else sorted(addresses), on_error="return"
        )
        return found

    def _refusal(self) -> str:
        wanted = " with Python ".join(versions())
        those = "; ".join(reason for _, reason in sorted(self._others.items()))
        return f"all nodes must have samplemind {wanted}, as this machine has: {those}"


def _others(found: dict[str, Any]) -> dict[str, str]:
    """Of nodes, by address, whose answers would be other ones, or could not be understood: what is wrong with them."""
    own = versions()
    wrong = {}
    for address, theirs in found.items():
        if isinstance(theirs, BaseException):
            wrong[address] = f"{address} has no samplemind that can be asked: {line_of(theirs)}"
        elif tuple(theirs) != own:
            wrong[address] = f"{address} has samplemind {theirs[0]} with Python {theirs[1]}"
    return wrong
