"""Results as Parquet: shards that whoever analyses a group writes, and a manifest that says what there is.

    part-00000-<digest of its paths>.parquet    a row a file, failed ones too
    manifest.json                               counts and shards; while the run goes on, only what it was begun with
    .part-…, .manifest.json-…                   what is being written, where things don't appear at once

A shard appears whole or not at all. Its name says which files are in it, so that a group that is analysed twice has one
shard, and a run that is begun again finds what is there. Columns are the document's fields, numbers and words as such,
lists as lists, `Statistics` and the like as structs, `unknown` as a map; then `error_type` and `error_reason`, null
where there is a document, and `path_bytes`, null unless the path is no UTF-8.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import io
import json
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

from samplemind.errors import AnalysisError, FileAccessError, OutputError
from samplemind.plain import field_hints
from samplemind.result import document_hints
from samplemind.version import __version__
from samplemind.workers.process import Outcome
from samplemind.workers.remote import is_url, line_of, opened, shown

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_ROWS: Final = "rows_per_shard"
_STORES: Final = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"))
"""File systems where what is written appears at once; elsewhere it is written beside, and renamed."""
_LOST: Final = b"samplemind.lost"
"""In the footer of a shard whose files nobody could be found for: it does not count when the run goes on."""


@dataclass(frozen=True)
class Shard:
    """What is in a shard.

    Attributes:
        name: of its file.
        rows: files.
        failed: path, kind of error and reason of those without a document.
        bytes: size of its file.
        skipped: whether it was there from an interrupted run.
        lost: whether it stands for files that nobody could be found for.
    """

    name: str
    rows: int
    failed: tuple[tuple[str, str, str], ...]
    bytes: int
    skipped: bool = False
    lost: bool = False


def shard_name(number: int, paths: Sequence[str]) -> str:
    """The name of the shard of a group, by its place among the groups and its paths."""
    digest = hashlib.blake2b(json.dumps(list(paths)).encode(), digest_size=8).hexdigest()
    return f"part-{number:05}-{digest}.parquet"


class Run:
    """A run that writes shards: what was done so far.

    Args:
        folder: where.
        described: what it was begun with; among it `rows`, the files of a shard.
    """

    def __init__(self, folder: ShardFolder, described: Mapping[str, Any]) -> None:
        self.rows = int(described[_ROWS])
        self._folder = folder
        self._described = dict(described)
        self._shards: list[dict[str, Any]] = []
        self._skipped = 0
        self._lost = 0

    def add(self, shard: Shard) -> None:
        """Note a shard that is done."""
        self._shards.append({"name": shard.name, "rows": shard.rows, "failed": len(shard.failed), "bytes": shard.bytes})
        self._skipped += shard.rows if shard.skipped else 0
        self._lost += shard.rows if shard.lost else 0

    def finish(self) -> dict[str, Any]:
        """Remove what the interrupted run had and this one has not, and write the manifest.

        Raises:
            OutputError: it can't be written, or shards are gone that were there.
        """
        shards = sorted(self._shards, key=lambda shard: str(shard["name"]))
        self._folder.keep_only({shard["name"] for shard in shards})
        rows, failed, size = (sum(shard[name] for shard in shards) for name in ("rows", "failed", "bytes"))
        manifest = {
            **self._described,
            "finished": True,
            "files": rows,
            "ok": rows - failed,
            "failed": failed,
            "skipped": self._skipped,
            "lost": self._lost,
            "bytes": size,
            "shards": shards,
        }
        self._folder.put(MANIFEST, _json(manifest))
        return manifest


class ShardFolder:
    """Where shards are: a folder, or a URL that fsspec opens.

    Args:
        output: it.

    Raises:
        OutputError: the packages that it needs are missing.
    """

    def __init__(self, output: str) -> None:
        try:
            import pyarrow  # noqa: F401 (asked for here, where the error can be told)
        except ImportError:
            raise OutputError("Parquet needs the package pyarrow: pip install 'samplemind[parquet]'") from None
        self.name = shown(output)
        self._fs: Any = None
        self._root = output
        if is_url(output):
            try:
                self._fs, self._root = opened(output)
            except FileAccessError as error:
                raise OutputError(str(error)) from None
        self._root = self._root.rstrip("/") or "/"
        protocol = getattr(self._fs, "protocol", "")
        self._is_store = not _STORES.isdisjoint([protocol] if isinstance(protocol, str) else protocol)

    def begin(self, *, level: str, rows: int) -> Run:
        """Begin a run, or go on with one that was begun alike: interrupted, or at its end without some of its files.

        Args:
            level: of all answers.
            rows: files of a shard, if the run is a new one.

        Raises:
            OutputError: it is full of something else, or can't be written.
        """
        described = {"format": _FORMAT, "samplemind": __version__, "level": str(level), _ROWS: rows}
        with self._trouble():
            if not self._exists(MANIFEST):
                if any(map(_is_part, self._names())):
                    raise OutputError(f"{self.name} holds shards without a {MANIFEST}: name another folder")
                there = described
            else:
                with self._open(MANIFEST) as file:
                    there = json.loads(file.read())
            if not isinstance(there, dict) or "samplemind" not in there:
                raise OutputError(f"{self.name} holds a {MANIFEST} of something else: name another folder")
            if there.get("finished") and not there.get("lost"):
                raise OutputError(
                    f"{self.name} holds the results of a finished run: name another folder, or remove them"
                )
            described[_ROWS] = there.get(_ROWS, rows)
            begun = {name: there.get(name) for name in described}
            if begun != described:
                raise OutputError(f"{self.name} holds a run that was begun otherwise ({begun}): name another folder")
            self.put(MANIFEST, _json({**described, "finished": False}))
        return Run(self, described)

    def found(self, name: str) -> Shard | None:
        """What is in a shard if it is there, whole, and none of its files was lost."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._exists(name):
            return None
        with self._trouble():
            try:
                with self._open(name) as file, pq.ParquetFile(file) as parquet:
                    if _LOST in (parquet.schema_arrow.metadata or {}):
                        return None
                    columns = parquet.read(columns=["path", "error_type", "error_reason"]).to_pylist()
            except (pa.ArrowInvalid, pa.ArrowKeyError):  # cut off, where files don't appear as a whole
                return None
            failed = tuple(
                (row["path"], row["error_type"], row["error_reason"]) for row in columns if row["error_type"]
            )
            return Shard(name, len(columns), failed, self._size(name), skipped=True)

    def write(self, name: str, outcomes: Sequence[Outcome], *, lost: bool = False) -> Shard:
        """Write a shard.

        Args:
            name: of its file.
            outcomes: what is in it.
            lost: it stands for files that nobody could be found for.

        Raises:
            OutputError: it can't be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = arrow_schema().with_metadata({b"samplemind": __version__.encode(), **({_LOST: b"1"} if lost else {})})
        table = pa.Table.from_pylist([_row(outcome, schema) for outcome in outcomes], schema=schema)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        with self._trouble():
            self.put(name, buffer.getvalue())
        failed = tuple(
            (_text(shown(outcome.path)), type(answer).__name__, _text(answer.reason))
            for outcome in outcomes
            if isinstance(answer := outcome.answer, AnalysisError)
        )
        return Shard(name, len(outcomes), failed, buffer.tell(), lost=lost)

    def keep_only(self, names: set[str]) -> None:
        """Remove all shards but these, and what those left behind who died while they wrote.

        Raises:
            OutputError: some of these are gone: somebody else has the folder, too.
        """
        with self._trouble():
            there = self._names()
            if gone := names.difference(there):
                raise OutputError(f"{self.name} lacks {min(gone)}, which was there: does another run write there?")
            for name in there:
                if name not in names and (_is_part(name) or name.startswith((".part-", f".{MANIFEST}-"))):
                    self._remove(name)

    def put(self, name: str, data: bytes) -> None:
        """Write a file, which appears as a whole."""
        with self._trouble():
            if self._is_store:
                self._fs.pipe_file(f"{self._root}/{name}", data)
                return
            beside = f".{name}-{os.urandom(8).hex()}"
            try:
                self._put_beside(beside, data)
                if self._fs is None:
                    os.replace(os.path.join(self._root, beside), os.path.join(self._root, name))
                else:
                    self._fs.mv(f"{self._root}/{beside}", f"{self._root}/{name}")
            except BaseException:
                with contextlib.suppress(Exception):  # the first error tells more
                    self._remove(beside)
                raise

    def _put_beside(self, name: str, data: bytes) -> None:
        if self._fs is not None:
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(f"{self._root}/{name}", data)
            return
        os.makedirs(self._root, exist_ok=True)
        with open(os.path.join(self._root, name), "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else the name could outlive a power cut, and the content not

    def _remove(self, name: str) -> None:
        if self._fs is None:
            Path(self._root, name).unlink(missing_ok=True)
        else:
            self._fs.rm_file(f"{self._root}/{name}")

    def _names(self) -> list[str]:
        """Names of all that is there."""
        if self._fs is None:
            return os.listdir(self._root) if os.path.isdir(self._root) else []
        self._fs.invalidate_cache()
        try:
            return [str(name).rpartition("/")[2] for name in self._fs.ls(self._root, detail=False)]
        except FileNotFoundError:
            return []

    def _exists(self, name: str) -> bool:
        with self._trouble():
            if self._fs is None:
                return os.path.exists(os.path.join(self._root, name))
            self._fs.invalidate_cache()
            return bool(self._fs.exists(f"{self._root}/{name}"))

    def _open(self, name: str) -> Any:
        if self._fs is None:
            return open(os.path.join(self._root, name), "rb")
        return self._fs.open(f"{self._root}/{name}", "rb")

    def _size(self, name: str) -> int:
        if self._fs is None:
            return os.path.getsize(os.path.join(self._root, name))
        return int(self._fs.size(f"{self._root}/{name}"))

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        """Say where it was when a file system can't do what it should."""
        try:
            yield
        except (OutputError, MemoryError):
            raise
        except Exception as error:  # each file system has its own library with its own errors
            raise OutputError(f"{self.name} can't be used: {line_of(error)}") from error


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def arrow_schema() -> pa.Schema:
    """Columns of a shard."""
    import pyarrow as pa

    columns = [pa.field(name, _arrow_type(hint)) for name, hint in document_hints().items()]
    more = {"error_type": pa.string(), "error_reason": pa.string(), "path_bytes": pa.binary()}
    return pa.schema([*columns, *(pa.field(name, kind) for name, kind in more.items())])


def _arrow_type(hint: Any) -> pa.DataType:
    import pyarrow as pa

    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        [kind] = [argument for argument in arguments if argument is not types.NoneType]
        return _arrow_type(kind)
    if origin is tuple:
        return pa.list_(_arrow_type(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return pa.map_(pa.string(), _arrow_type(arguments[1]))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return pa.struct([pa.field(name, _arrow_type(kind)) for name, kind in field_hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return pa.string()
    return {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}[hint]


def _row(outcome: Outcome, schema: pa.Schema) -> dict[str, Any]:
    import pyarrow as pa

    answer, name = outcome.answer, shown(outcome.path)
    row: dict[str, Any] = {"path": _text(name), "path_bytes": None if _text(name) == name else os.fsencode(name)}
    if isinstance(answer, AnalysisError):
        return {**row, "error_type": type(answer).__name__, "error_reason": _text(answer.reason)}
    document = answer.to_dict()
    for field in schema:
        if pa.types.is_map(field.type):
            document[field.name] = [*document[field.name].items()]
    return {**document, **row}


def _text(value: str) -> str:
    """The value as UTF-8 can say it."""
    return value.encode("utf-8", "backslashreplace").decode()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
