"""Why audio has no answer: the errors that it would be on this machine."""

from __future__ import annotations

from typing import Final

from samplemind.client.values import Job
from samplemind.errors import AnalysisError, ServiceError


def _slug(kind: type[AnalysisError]) -> str:
    """An error's class as the service writes it: limit-exceeded for LimitExceededError."""
    name = kind.__name__.removesuffix("Error")
    return "".join(f"-{letter}" if letter.isupper() else letter for letter in name).lower().removeprefix("-")


def _kinds(kind: type[AnalysisError]) -> list[type[AnalysisError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in _kinds(each))]


ANALYSIS_ERRORS: Final = {_slug(kind): kind for kind in _kinds(AnalysisError)}
"""Why a file has no answer, by the word that the service has for it."""


def raise_failure(job: Job, name: str) -> None:
    """Raise what a job failed by, if it did."""
    if job.state == "cancelled":
        raise ServiceError(409, "cancelled", f"job {job.id} was cancelled")
    if job.state != "done":
        kind = ANALYSIS_ERRORS.get(job.error or "", AnalysisError)
        raise kind(name, job.reason or f"the service could not analyse it: {job.error or job.state}")
