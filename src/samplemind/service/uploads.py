"""Uploads: a body becomes a file below the data folder, named by what it holds.

    body ─▶ incoming/<random>/, hashed on the way ─▶ audio/<digest>/<name> ─▶ a row of the library's files

The folder moves in one step when all of it is on the disk, so that a name in audio/ is always a whole file.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from blake3 import blake3
from sqlalchemy import select
from sqlalchemy.orm import Session

from samplemind.audio.sniff import describe_text
from samplemind.library import folders
from samplemind.library.database import Database
from samplemind.library.forgetting import forget_file
from samplemind.library.groups import groups
from samplemind.library.model import File
from samplemind.service import homes
from samplemind.service.audio import stored
from samplemind.service.folder import DataFolder
from samplemind.service.names import safe_name
from samplemind.service.problems import Problem

T = TypeVar("T")

_PIECE: Final = 2**16
"""Bytes that are written and hashed at once: each time costs a thread's attention, and each upload so much memory."""
_WRITERS: Final = 8
"""Uploads that write at the same moment; the others wait, and so do their clients."""
_HEAD: Final = 512
"""Bytes by which text is told."""
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOOK_BYTES: Final = 2**24
"""How often it is looked whether the disk still has room."""
_THERE: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES)
"""What systems say when the folder that something is to be renamed to has something in it."""


@dataclass(frozen=True)
class Received:
    """A body that was received: alone in a folder of its own, whole and on the disk."""

    path: Path
    digest: str
    size: int


class Uploads:
    """Takes bodies in.

    Args:
        folder: where they go.
        database: where they are recorded.
        home: this service.
        min_free_bytes: room on the disk that none may take.
    """

    def __init__(self, folder: DataFolder, database: Database, *, home: str, min_free_bytes: int) -> None:
        self._folder = folder
        self._home = home
        self._database = database
        self._min_free_bytes = min_free_bytes
        self._writers = anyio.CapacityLimiter(_WRITERS)

    @contextlib.asynccontextmanager
    async def received(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[Received]:
        """A body, as a file that is there within the block only, unless `kept` takes it over.

        Raises:
            Problem: it is empty, is text, or there is no room for it.
        """
        aside = self._folder.incoming / secrets.token_hex(16)
        try:
            with _full_disk_told():
                file = await self._in_thread(self._opened, aside / "body")
                try:
                    digest = blake3()
                    size = 0
                    async for piece in _pieces(chunks):
                        if size // _LOOK_BYTES != (size + len(piece)) // _LOOK_BYTES:
                            await self._in_thread(self._require_room)
                        size += len(piece)
                        await self._in_thread(_write, file, digest, piece)
                    await self._in_thread(_settle, file)
                finally:
                    await self._in_thread(file.close)
            yield Received(aside / "body", digest.hexdigest(), size)
        finally:
            with anyio.CancelScope(shield=True):
                await self._in_thread(functools.partial(shutil.rmtree, aside, ignore_errors=True))

    @contextlib.contextmanager
    def kept(self, received: Received, name: str | None) -> Iterator[tuple[Session, File, bool]]:
        """A transaction in which what was received is in its place and in the library: in neither if the block raises.

        Args:
            received: by `received`, just now.
            name: what the client calls it.

        Yields:
            A session that writes, the row, and whether it is new: the same bytes may have been uploaded before, under
            another name.
        """
        with self._database.writing() as session:
            place = self._folder.upload(received.digest)
            new = self._placed(received, safe_name(name), place)
            try:
                yield session, self._recorded(session, received.digest), new
            except BaseException:
                if new:  # taken back before anybody else may write, and rely on it
                    with contextlib.suppress(OSError):
                        place.rename(received.path.parent)
                raise

    def _placed(self, received: Received, name: str, place: Path) -> bool:
        """Put what was received in its place; whether it was not there yet."""
        new = True
        with _full_disk_told():
            received.path.rename(received.path.with_name(name))
            try:
                received.path.parent.rename(place)
            except OSError as error:
                if error.errno not in _THERE or not place.is_dir():
                    raise
                new = not _is_whole(place, received.size)
                if new:  # somebody has meddled with it
                    place.rename(self._folder.incoming / secrets.token_hex(16))
                    received.path.parent.rename(place)
            _sync(place.parent)
        return new

    def _recorded(self, session: Session, digest: str) -> File:
        """The one row of an upload that is in its place."""
        kept = min(self._folder.upload(digest).iterdir())
        root = folders.added(session, str(self._folder.audio), time.time())
        path = folders.relative(str(kept), root.root)
        content = {"path": path, "digest": digest, "size": kept.stat().st_size, "missing_since": None}
        rows = _rows(session, root.root_id, digest)
        for other in rows[1:]:
            forget_file(session, other.id)
        row = rows[0] if rows else File(root_id=root.root_id, found_at=time.time())
        session.add(row)
        for column, value in {**content, **folders.told_by_name(path)}.items():
            setattr(row, column, value)
        session.flush()
        return row

    def remove(self, audio_id: str) -> str:
        """Take an upload away: its file, its row, and its sound if nothing else has it and nobody said anything of it.

        Returns:
            The digest of its bytes.

        Raises:
            NotInLibraryError: there is none.
            Problem: it was not uploaded: the service takes away nothing else.
        """
        aside = self._folder.incoming / secrets.token_hex(16)
        undo = contextlib.ExitStack()
        with undo:
            with self._database.writing() as session:  # so that nobody uploads the same bytes meanwhile
                file = stored(session, audio_id, self._home)
                if file.elsewhere:
                    raise homes.kept_elsewhere()
                digest = file.row.digest or ""
                place = self._folder.upload(digest)
                if file.path.parent != place:
                    reason = "this file is in a folder that was scanned: only uploads can be deleted"
                    raise Problem(409, reason, code="not-an-upload")
                with contextlib.suppress(FileNotFoundError):
                    place.rename(aside)
                    undo.callback(_put_back, aside, place)
                for row in _rows(session, file.row.root_id, digest):
                    forget_file(session, row.id)
            undo.pop_all()
        shutil.rmtree(aside, ignore_errors=True)
        return digest

    def adopt(self) -> None:
        """Record whose uploads they are, and those that were not: the service was killed between the two steps, or has
        another library now.
        """
        with self._database.writing() as session:
            homes.settle(session, self._home, str(self._folder.audio))
        names = sorted(entry.name for entry in os.scandir(self._folder.audio) if _DIGEST.fullmatch(entry.name))
        for some in groups(names):
            with self._database.reading() as session:
                root = folders.place_of(session, str(self._folder.audio))
                known = _digests(session, root.root_id, some) if root is not None and not root.path else set()
            unknown = [name for name in some if name not in known and any(self._folder.upload(name).iterdir())]
            if unknown:
                with self._database.writing() as session:
                    for name in unknown:
                        self._recorded(session, name)

    def _require_room(self) -> None:
        if shutil.disk_usage(self._folder.path).free < self._min_free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _opened(self, path: Path) -> io.FileIO:
        self._require_room()
        path.parent.mkdir(mode=0o700)
        return io.FileIO(path, "xb")

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await anyio.to_thread.run_sync(function, *args, limiter=self._writers)


def _rows(session: Session, root_id: int, digest: str) -> Sequence[File]:
    """The rows of an upload. There is one, unless something that was taken away was found once more."""
    below = (File.path > f"{digest}/") & (File.path < f"{digest}0")  # 0 is what comes after a slash
    return session.scalars(select(File).where(File.root_id == root_id, below).order_by(File.id)).all()


def _digests(session: Session, root_id: int, digests: Sequence[str]) -> set[str]:
    """Those of some digests, in order, of which there is an upload's row as it must be."""
    within = (File.path > f"{digests[0]}/") & (File.path < f"{digests[-1]}0")
    rows = session.execute(select(File.path, File.digest).where(File.root_id == root_id, within))
    return {digest for path, digest in rows if digest is not None and path.startswith(f"{digest}/")}


def _is_whole(place: Path, size: int) -> bool:
    """Whether a folder has the file of so many bytes that it should have."""
    return [path.stat().st_size for path in place.iterdir()] == [size]


def _put_back(aside: Path, place: Path) -> None:
    """Undo a removal; where the same bytes were uploaded meanwhile, they are there."""
    try:
        aside.rename(place)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)


async def _pieces(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytearray]:
    """A body in pieces worth writing. What is no audio is refused by the first of them."""
    piece = bytearray()
    head = True
    async for chunk in chunks:
        piece += chunk
        if len(piece) >= (_HEAD if head else _PIECE):
            if head:
                _refuse_text(piece)
            yield piece
            piece, head = bytearray(), False
    if head:
        _refuse_text(piece)
    if piece:
        yield piece


def _refuse_text(head: bytearray) -> None:
    if not head:
        raise Problem(422, "the body is empty", code="empty-audio")
    words = describe_text(io.BytesIO(head))
    if words is not None:
        raise Problem(415, f"the body is {words}", code="unsupported-format")


def _write(file: io.FileIO, digest: blake3, piece: bytearray) -> None:
    digest.update(piece)
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


def _settle(file: io.FileIO) -> None:
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have a folder's names outlive a power cut; not all systems know how."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise Problem(507, "there is no room for this upload", code="disk-full") from error
        raise
