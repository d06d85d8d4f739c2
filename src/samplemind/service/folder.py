"""The data folder: everything that the service writes is below it, and one service runs on it at a time.

library.db                      the library, unless it is in PostgreSQL
cache/                          the cache of analyses
audio/abcd…/Kick 01.wav         uploads, by the digest of their bytes: a root of the library
incoming/                       bodies that are being received
previews/                       transcoded sounds
service.lock, .writer, .id      held while it runs, by whom; the name under which it holds jobs
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from samplemind.errors import SettingsError
from samplemind.storage.filesystem import refuse_network
from samplemind.storage.writing import WriteLock

_LOCK_S: Final = 2.0
"""How long a service that is just ending may still hold the folder."""
_REMEDY: Final = "give --data-dir a folder of this machine"


class DataFolder:
    """Paths below a data folder.

    Args:
        path: the folder; it is made when the service starts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.audio = self.path / "audio"
        self.incoming = self.path / "incoming"
        self.previews = self.path / "previews"
        self.cache = self.path / "cache"

    @contextlib.contextmanager
    def held(self) -> Iterator[str]:
        """Hold the folder for the one service that runs on it; its id.

        What was being received when the last one ended is removed.

        Raises:
            SettingsError: another service runs on it, or it can't be used.
        """
        try:
            for folder in (self.path, self.audio, self.incoming, self.previews, self.cache):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_network(self.path, _REMEDY)
        except OSError as error:
            raise SettingsError(f"{self.path} can't be the service's data folder: {error.strerror or error}") from error
        with contextlib.ExitStack() as ends:
            try:
                ends.enter_context(WriteLock(self.path / "service").held(_LOCK_S))
            except TimeoutError:
                raise SettingsError(f"another service runs on {self.path}") from None
            shutil.rmtree(self.incoming)
            self.incoming.mkdir(mode=0o700)
            yield self._id()

    def _id(self) -> str:
        file = self.path / "service.id"
        if not file.exists() or not file.read_text(encoding="ascii").strip():
            file.write_text(secrets.token_hex(8) + "\n", encoding="ascii")
        return file.read_text(encoding="ascii").strip()

    def upload(self, digest: str) -> Path:
        """The folder of an upload."""
        return self.audio / digest
