"""How long a file really is, counted before much of it is handed on: no header is trusted for long.

A few megabytes can hold days of silence, and what says how long a file is may be wrong or missing. Analysis takes
seconds for an hour of sound; adding up how long the packets last takes a fraction of that, and decoding them not
much more. So of a file whose reader has no bound that was checked against the limits, nobody gets more than
`UNCOUNTED_S`, and what lengths may be off by, before it was counted; and if more comes out than was counted, it is
counted once more, by decoding it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from numpy.typing import NDArray

from samplemind.audio.files import open_regular
from samplemind.audio.info import AudioInfo
from samplemind.audio.libav import packet_seconds
from samplemind.audio.limits import Limits
from samplemind.errors import DecodeError, FileAccessError, UnsupportedFormatError

UNCOUNTED_S: Final = 300
"""The longest sound whose header's word is taken: nearly all music and every sample. Analysing it takes a second."""
_SLACK_S: Final = 10
_SLACK: Final = 1.05
"""By how much counts may be off: lengths are estimated, durations rounded to milliseconds, and encoder delay counts.
No file is refused or counted again for less; whoever hands samples on counts them exactly."""

Count = Callable[[BinaryIO, float], float | None]
"""Tells how many seconds an open file holds, counted until that is more than so many; None if it can't tell."""


class Lookahead:
    """Refuses a file before more of it is handed on than was found out about it.

    Args:
        path: the file's name.
        file: the open file.
        start: where its sound begins, behind any tags.
        info: what is known of its sound.
        limits: what it is checked against.
        decode: opens the file once more and yields its chunks, for a count that nothing can deceive.
    """

    def __init__(
        self,
        path: str,
        file: BinaryIO,
        start: int,
        *,
        info: AudioInfo,
        limits: Limits,
        decode: Callable[[BinaryIO], Iterator[NDArray[Any]]],
    ) -> None:
        self._path = path
        self._file = file
        self._start = start
        self._rate = info.sample_rate
        self._limits = limits
        self._decode = decode
        told_s = (info.declared_frames or 0) / info.sample_rate
        self._trusted_s = _with_slack(told_s if told_s <= UNCOUNTED_S else 0)
        self._counts: list[Count] = [packet_seconds, self._decoded_seconds]

    def check(self, frames: int) -> None:
        """Count the file if `frames` are more than what is known of it.

        Raises:
            FileAccessError: another file has its name now.
            LimitExceededError: longer than the limits allow.
        """
        while self._counts and frames > self._trusted_s * self._rate:
            count = self._counts.pop(0)
            with open_regular(self._path) as file:  # its own position: the reader goes on reading the other one
                if not os.path.samestat(os.fstat(file.fileno()), os.fstat(self._file.fileno())):
                    raise FileAccessError(self._path, "changed while it was read")
                file.seek(self._start)
                seconds = count(file, _with_slack(self._limits.max_duration_s))
            if seconds is None:
                continue
            if seconds > _with_slack(self._limits.max_duration_s):
                self._limits.check_duration(self._path, int(seconds * self._rate), self._rate, "holds more than")
            self._trusted_s = _with_slack(seconds)

    def _decoded_seconds(self, file: BinaryIO, most_s: float) -> float:
        decoded = 0
        try:
            for chunk in self._decode(file):
                decoded += len(chunk)
                if decoded > most_s * self._rate:
                    break
        except (DecodeError, UnsupportedFormatError):
            pass  # whoever reads the sound will meet it too, and say so
        return decoded / self._rate


def _with_slack(seconds: float) -> float:
    return seconds * _SLACK + _SLACK_S
