"""How much sound one file may hold: checked on what it declares, and counted while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields

from samplemind.errors import LimitExceededError, SettingsError


@dataclass(frozen=True)
class Limits:
    """Bounds on one file; whatever lies outside is refused with a `LimitExceededError`.

    The lowest rate is 100 Hz: below 40 Hz nothing audible (20 Hz and up) can be stored at all, and test files
    and sensor logs of 1 kHz are common. The most bytes, 64 GiB, hold 24 hours of stereo at 96 kHz and 32 bits.

    Raises:
        SettingsError: a bound that is not positive, or a lowest rate above the highest.
    """

    max_duration_s: float = 24 * 3600
    max_channels: int = 32
    min_sample_rate_hz: int = 100
    max_sample_rate_hz: int = 384_000
    max_bytes: int = 64 * 2**30

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise SettingsError(f"{field.name} must be above 0, not {getattr(self, field.name)}")
        if self.min_sample_rate_hz > self.max_sample_rate_hz:
            raise SettingsError(
                f"min_sample_rate_hz {self.min_sample_rate_hz} is above max_sample_rate_hz {self.max_sample_rate_hz}"
            )

    def check_bytes(self, path: str, size: int) -> None:
        """Refuse a file of `size` bytes if that is too large."""
        if size > self.max_bytes:
            raise LimitExceededError(path, f"{size} bytes; the limit is {self.max_bytes}")

    def check_shape(self, path: str, sample_rate: int, channels: int) -> None:
        """Refuse a sample rate in Hz or a number of channels outside the limits."""
        if not self.min_sample_rate_hz <= sample_rate <= self.max_sample_rate_hz:
            raise LimitExceededError(
                path,
                f"a sample rate of {sample_rate} Hz; the limits are "
                f"{self.min_sample_rate_hz} to {self.max_sample_rate_hz} Hz",
            )
        if channels > self.max_channels:
            raise LimitExceededError(path, f"{channels} channels; the limit is {self.max_channels}")

    def check_duration(self, path: str, frames: int, sample_rate: int, verb: str) -> None:
        """Refuse more than the longest duration; `verb` says how the frames are known."""
        if frames > self.max_duration_s * sample_rate:
            milliseconds = -(-frames * 1000 // sample_rate)  # rounded up: what is beyond the limit should look like it
            raise LimitExceededError(
                path, f"{verb} {milliseconds / 1000:.10g} s of sound; the limit is {self.max_duration_s:.10g} s"
            )
