"""The whole service, on a free port of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplemind.library.database import FILE_NAME, Database
from samplemind.service.configuration import Configuration
from samplemind.service.folder import DataFolder
from samplemind.service.serving import guarded
from tests.service.wire import serving


@dataclass(frozen=True)
class Live:
    """A service that runs."""

    port: int
    folder: DataFolder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        with contextlib.closing(Database(self.folder.path / FILE_NAME)) as database:
            yield database


@contextlib.contextmanager
def live(path: Path, **settings: Any) -> Iterator[Live]:
    """A service with its data in a folder, until the end of the block."""
    configuration = Configuration(data_dir=path, **{"workers": 1, "stop_s": 5.0, **settings})
    folder = DataFolder(path)
    with folder.held() as home:
        app = guarded(configuration, folder, home)
        with serving(app, configuration, lifespan="on") as port:
            yield Live(port, folder)
