"""The third tier: entries in a Redis or Valkey server that several machines share.

    samplemind:2:entry:<key>   the entry, a string that expires when it was unused for long
    samplemind:2:used          sorted set: names of entries by when they were last used, in the server's time
    samplemind:2:sizes         hash: what each entry counts, and "entries", "bytes" and "evictions" of all

Whatever is done is one Lua script, which the server runs alone and wholly: any number of machines may write at once,
and a client that dies leaves nothing half done. Other applications may use the same database: no key without the
prefix is read or written, and another format's prefix is another one. The server may drop any of our keys by rules
of its own (`maxmemory`): an entry of the index that is gone is forgotten when it is asked for, or when it is among
those unused for longest; an entry that the index lost is taken up again when it is asked for, or by `prune`. All
expire in the end. Not for Redis Cluster, which keeps the keys of one script on several servers.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from samplemind.cache import scripts
from samplemind.cache.tier import TierState
from samplemind.errors import SettingsError
from samplemind.storage.forking import rests_at_fork

DEFAULT_MAX_BYTES: Final = 2**30
DEFAULT_TTL_S: Final = 90 * 24 * 3600.0
DEFAULT_TIMEOUT_S: Final = 0.25
"""A server that is near answers in a millisecond; one that does not is slower than computing."""
LARGEST_PUT: Final = 4 * 2**20
"""More bytes are not sent at once: they would hold up all who use the server, and might not arrive in time."""

_PREFIX: Final = "samplemind:2:"
_ENTRY: Final = f"{_PREFIX}entry:"
_INDEX: Final = (f"{_PREFIX}used", f"{_PREFIX}sizes")
_STEP: Final = 1000
"""Entries that one script looks at: the server answers nobody else for a few milliseconds."""
_READ_AHEAD: Final = 16
"""Entries that `items` has in memory at a time."""
_NO_LIMIT: Final = 10**18


class RedisTier:
    """Bytes by key in a Redis or Valkey server, shared by machines. Safe to use from several threads and processes.

    Nothing is asked of the server before the first use. All methods raise `OSError` when it can't be used, after
    `timeout_s` for each answer that it owes; the message never holds the password.

    Args:
        url: ``redis://user:password@host:port/database``, ``rediss://`` for TLS, or ``unix://`` for a socket.
        max_bytes: above this size of all entries those unused for longest are removed; of several machines the one
            with the lowest limit decides.
        ttl_s: an entry that is unused for so many seconds expires.
        timeout_s: seconds to wait for a connection, and for an answer.

    Raises:
        SettingsError: the URL makes no sense.
    """

    name = "redis"
    shared = True

    def __init__(
        self,
        url: str,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        ttl_s: float = DEFAULT_TTL_S,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        if not _makes_sense(url):
            raise SettingsError(
                f"redis_url must be redis://user:password@host:port/database, not {shown(url)}; "
                "in a password, write / ? # @ and : as %2F %3F %23 %40 and %3A"
            )
        self.url = url
        self.max_bytes = max_bytes
        self.ttl_s = ttl_s
        self.timeout_s = timeout_s
        self._client: Any = None
        self._process = os.getpid()
        self._lock = threading.Lock()
        rests_at_fork(self)

    def get(self, key: str) -> bytes | None:
        """The entry, or None. One round trip."""
        value: bytes | None = self._run(scripts.GET, [_name(key)], self._ttl_ms)
        return value

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries that are there, by key: a round trip for each, and a use of it."""
        return {key: value for key in keys if (value := self.get(key)) is not None}

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries, all or none. One round trip; what is too large to be sent at once is not kept."""
        names = [_name(key) for key in entries]
        values = list(entries.values())
        size = sum(len(value) + 3 * len(name) + scripts.OVERHEAD for name, value in zip(names, values, strict=True))
        if size > min(LARGEST_PUT, self.max_bytes):
            self._remove(names)  # what was there before is not the answer any more
            return
        while self._run(scripts.PUT, names, self._ttl_ms, self.max_bytes, _STEP, *values) == _STEP:
            names, values = [], []  # what is kept: there was so much to drop for it that one step was not enough

    def remove(self, keys: Iterable[str]) -> int:
        """Remove entries; the number of them that were there."""
        return self._remove(_name(key) for key in keys)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All entries. One that others write meanwhile may be among them or not, and may come twice."""
        names = self._scanned()
        while some := list(itertools.islice(names, _READ_AHEAD)):
            values = self._ask("MGET", *some)
            for name, value in zip(some, values, strict=True):
                if value is not None:
                    yield name.decode().removeprefix(_ENTRY), value

    def prune(self, *, max_bytes: int | None = None, unused_s: float | None = None) -> int:
        """Compare the index with what is there, and remove entries unused for long, then until `max_bytes` are kept."""
        names = itertools.chain(self._scanned(), self._indexed())
        while some := list(itertools.islice(names, _STEP)):
            self._run(scripts.MEND, some, self._ttl_ms)
        return self._evict(max_bytes=max_bytes, unused_s=unused_s)

    def clear(self) -> int:
        """Remove everything; the number of entries that were there."""
        return self._remove(itertools.chain(self._scanned(), self._indexed()))

    def state(self) -> TierState:
        """What the index knows: where the server evicts by rules of its own, that may not be all until `prune`."""
        entries, size, evictions, unused_us = self._run(scripts.STATE, (), self._ttl_ms, _STEP)
        return TierState(
            entries=entries,
            bytes=size,
            max_bytes=self.max_bytes,
            evictions=evictions,
            oldest_s=None,
            unused_s=unused_us / 1e6 if unused_us is not None else None,
        )

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.connection_pool.disconnect()

    def before_fork(self) -> None:
        """Hold the lock, so that a child does not inherit it from another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock. A child opens connections of its own."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._client = None
        self._lock.release()

    @property
    def _ttl_ms(self) -> int:
        return max(1, round(self.ttl_s * 1000))

    def _remove(self, names: Iterable[bytes]) -> int:
        rest = iter(names)
        removed = 0
        while some := list(itertools.islice(rest, _STEP)):
            removed += self._run(scripts.REMOVE, some)
        return removed

    def _evict(self, *, max_bytes: int | None = None, unused_s: float | None = None) -> int:
        limits = [_NO_LIMIT if limit is None else limit for limit in (unused_s, max_bytes)]
        removed, looked = 0, _STEP
        while looked == _STEP:
            looked, dropped = self._run(scripts.EVICT, (), *limits, _STEP)
            removed += dropped
        return removed

    def _scanned(self) -> Iterator[bytes]:
        """Names of all entries that are there."""
        cursor: int | None = None
        while cursor != 0:
            cursor, names = self._ask("SCAN", cursor or 0, "MATCH", f"{_ENTRY}*", "COUNT", _STEP)
            yield from names

    def _indexed(self) -> Iterator[bytes]:
        """Names of all entries in the index."""
        cursor: int | None = None
        while cursor != 0:
            cursor, pairs = self._ask("ZSCAN", _INDEX[0], cursor or 0, "COUNT", _STEP)
            yield from (name for name, _ in pairs)

    def _run(self, script: str, names: Sequence[bytes], *arguments: Any) -> Any:
        """Run a script over the index and some entries; one round trip when the server has seen it before."""
        with self._speaking() as client:
            return client.register_script(script)(keys=[*_INDEX, *names], args=arguments)

    def _ask(self, *command: Any) -> Any:
        with self._speaking() as client:
            return client.execute_command(*command)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[Any]:
        """Speak with the server, and turn the library's errors into OSError."""
        try:
            import redis
        except ImportError as error:
            raise OSError(f"{shown(self.url)} needs the package redis: pip install 'samplemind[redis]'") from error
        try:
            yield self._connected()
        except (redis.RedisError, OSError) as error:
            # Without its cause, which may quote what was sent to the server.
            raise OSError(f"{shown(self.url)}: {_reason(error, self.url)}") from None

    def _connected(self) -> Any:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with self._lock:
            if self._client is None:
                try:
                    client = Redis.from_url(
                        self.url,
                        socket_timeout=self.timeout_s,
                        socket_connect_timeout=self.timeout_s,
                        retry=Retry(NoBackoff(), 0),
                        health_check_interval=0,
                        protocol=2,  # the third begins with one round trip more
                    )
                    pool = client.connection_pool
                    if pool.connection_class(**pool.connection_kwargs).encoder.decode_responses:
                        raise ValueError("decode_responses")
                except (ValueError, TypeError) as error:  # before anything was sent: options in the URL
                    raise OSError(f"an option in the URL makes no sense: {error}") from error
                self._client = client
            return self._client


def _name(key: str) -> bytes:
    return (_ENTRY + key).encode()


def shown(url: str) -> str:
    """The URL of a server, without what must stay secret."""
    if not _makes_sense(url):
        scheme, colon, _ = url.partition("://")
        return f"{scheme}://***" if colon and scheme.isalnum() else "***"
    parts = urlsplit(url)
    secret, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if secret else ''}{place}{parts.path}"


def _makes_sense(url: str) -> bool:
    """Whether it is a URL of a Redis server; unescaped characters of a password make it none."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        if parts.port == 0 or "#" in url or "@" in parts.path + parts.query:
            return False
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return parts.scheme in ("redis", "rediss") and re.fullmatch(r"/?\d*", parts.path) is not None


def _reason(error: Exception, url: str) -> str:
    """What went wrong, in one line, and without the password if the server should quote it."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    text = re.split(r"\.? script: ", text)[0].rstrip(".")
    for secret in (urlsplit(url).password, *_options(url)):
        for form in {secret, unquote(secret or "")}:
            text = text.replace(form, "***") if form else text
    return text[:200]


def _options(url: str) -> list[str]:
    """Values of passwords in the URL's query."""
    pairs = (pair.partition("=") for pair in urlsplit(url).query.split("&"))
    return [value for name, _, value in pairs if "password" in name]
