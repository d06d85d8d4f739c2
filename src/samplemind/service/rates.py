"""How often somebody may ask: a bucket of tokens for each, which fills again as time goes by."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_BUCKETS: Final = 10_000
"""Who is remembered at once, about 2 MB; who asked longest ago is forgotten, and may begin anew."""


class Rates:
    """Buckets of tokens by name.

    Args:
        per_s: tokens that come back every second.
        burst: tokens of a full bucket.
        clock: seconds that only grow.
    """

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens, and when there were as many."""

    def wait_s(self, name: str) -> int:
        """Take a token: 0, or after how many whole seconds there will be one, if there is none now."""
        now = self._clock()
        tokens, since = self._buckets.pop(name, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since) * self._per_s)
        self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0 if tokens >= 1 else max(1, math.ceil((1 - tokens) / self._per_s))


def neighbourhood(address: str) -> str:
    """An address as one that asks: of IPv6 the network of 64 bits, all of which one machine can have."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip) & ~((1 << 64) - 1), 64)))
