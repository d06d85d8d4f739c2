"""What an operator sets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from samplemind.workers.limits import available_cores


@dataclass(frozen=True)
class Configuration:
    """What an operator sets.

    Attributes:
        data_dir: everything that the service writes is below it.
        library_url: PostgreSQL database of the library; None for a file in the data folder.
        redis_url: Redis that other machines share.
        host, port: where it listens; port 0 is any that is free.
        open: nobody needs a key: only for a service that this machine alone can reach.
        allowed_hosts: names under which it may be called, beside "localhost" and addresses.
        origins: of pages elsewhere that may use it from a browser; none by default.
        roots: folders that a batch may take into the library.
        workers: processes that analyse.
        scheduler: Dask's, which analyses in their place: ``tcp://host:port``, or ``local:N``.
        cache_max_bytes: size limit of the cache file.
        max_upload_bytes, max_json_bytes: of a body.
        max_duration_s: longest sound that is analysed.
        queue_length: jobs that may wait.
        requests_per_s, burst: of one key.
        connections_per_address: that may be open at once, of another machine.
        header_timeout_s: within which a request's headers must be there.
        body_grace_s, min_body_bytes_per_s: a body may be slower than this at first only.
        wait_s: how long ``POST /analyze`` waits before it gives a job instead.
        min_free_bytes: room on the disk that no upload may take.
        previews_max_bytes: room that transcoded sounds may take.
        stop_s: how long running jobs may go on when the service is asked to stop.
        secure_cookies: browsers send the cookie over TLS only; for a service behind a proxy that speaks it.
    """

    data_dir: Path
    library_url: str | None = None
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    open: bool = True
    allowed_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    workers: int = field(default_factory=available_cores)
    scheduler: str | None = None
    cache_max_bytes: int = 2 * 2**30
    max_upload_bytes: int = 2 * 2**30
    max_json_bytes: int = 2**20
    max_duration_s: float = 2 * 3600.0
    queue_length: int = 10_000
    requests_per_s: float = 50.0
    burst: int = 200
    connections_per_address: int = 100
    header_timeout_s: float = 10.0
    body_grace_s: float = 10.0
    min_body_bytes_per_s: float = 1000.0
    wait_s: float = 30.0
    min_free_bytes: int = 256 * 2**20
    previews_max_bytes: int = 2 * 2**30
    stop_s: float = 20.0
    secure_cookies: bool = False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; of a name, none but "localhost" is believed."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
