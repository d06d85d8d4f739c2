"""``samplemind serve``: the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samplemind.cli.terminal import complain
from samplemind.errors import SettingsError

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where everything is kept; by default the library's own folder."),
]


def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 is any that is free.")] = 8000,
    *,
    data_dir: DataDir = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; as many as there are cores by default.")
    ] = None,
    require_key: Annotated[
        bool, typer.Option("--require-key", help="Ask for a key on this machine, too; for a service behind a proxy.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name by which it may be called. Repeatable.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A page elsewhere that may use it from a browser. Repeatable."),
    ] = None,
    allow_root: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder that a batch may scan. Repeatable.")
    ] = None,
    max_upload: Annotated[int, typer.Option(metavar="MIB", min=1, help="Largest upload, in MiB.")] = 2048,
    max_duration: Annotated[float, typer.Option(metavar="S", min=1, help="Longest sound, in seconds.")] = 7200.0,
    queue: Annotated[int, typer.Option(metavar="N", min=1, help="Jobs that may wait.")] = 10_000,
    rate: Annotated[float, typer.Option(metavar="N", min=0.1, help="Requests a second of one key.")] = 50.0,
    connections: Annotated[
        int, typer.Option(metavar="N", min=1, help="Connections of one other machine at once; 500 of all.")
    ] = 100,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Analyse on Dask's workers: tcp://…, or local:N to try it.")
    ] = None,
    secure_cookies: Annotated[
        bool, typer.Option("--secure-cookies", help="Browsers get cookies for TLS only; for a proxy that speaks it.")
    ] = False,
) -> None:
    """Serve over HTTP: audio in, answers out; docs/api.md describes it.

    Only this machine can reach 127.0.0.1, where nobody needs a key. At any other address there must be one
    (samplemind keys create). Asked to stop, it lets running jobs end, or takes them up at the next start.
    """
    from samplemind.settings import load_settings

    try:
        from samplemind.service.serving import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("samplemind"):
            raise
        raise SettingsError(f"serving needs the package {error.name}: pip install 'samplemind[service]'") from None
    from samplemind.service.configuration import Configuration, is_loopback
    from samplemind.workers.limits import available_cores

    settings = load_settings(data_dir=data_dir)
    configuration = Configuration(
        data_dir=settings.data_folder,
        library_url=settings.library_url,
        redis_url=settings.redis_url,
        host=host,
        port=port,
        open=is_loopback(host) and not require_key,
        allowed_hosts=tuple(allow_host or ()),
        origins=tuple(origin or ()),
        roots=tuple(path.absolute() for path in allow_root or ()),
        workers=jobs or available_cores(),
        scheduler=scheduler,
        cache_max_bytes=settings.cache_max_bytes,
        max_upload_bytes=max_upload * 2**20,
        max_duration_s=min(max_duration, settings.max_duration_s),
        queue_length=queue,
        requests_per_s=rate,
        burst=max(1, round(4 * rate)),
        connections_per_address=connections,
        secure_cookies=secure_cookies,
    )
    run(configuration, lambda address: complain(f"serving at {address} (data in {configuration.data_dir})"))
