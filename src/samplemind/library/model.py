"""The tables of the library: one entry per sound, whatever number of files hold it.

    roots ─▶ files ─▶ audio ◀─ analyses, corrections, tags, collection_items ◀─ collections
                        ▲
                      words of the names of its files

A row of `audio` is a sound, told by its decoded samples. Its columns from `level` on are what search reads: what was
corrected, and else what was measured; `samplemind.library.entries` keeps them so. Times are seconds since 1970.
Nothing is loaded behind anybody's back: a relationship that a statement did not ask for raises.
"""

from __future__ import annotations

import zlib
from typing import Any, ClassVar, Final

import msgspec
from sqlalchemy import BigInteger, Dialect, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator, TypeEngine

from samplemind.errors import LibraryError

_HALVES: Final = range(0xD800, 0xE000)
"""Half characters: what Python makes of bytes that are no text, and Windows allows in names. No database takes them."""
_BACK: Final = {half + 0x101000: half for half in _HALVES}
"""Each is kept as a private character, below the last of all, which searching takes for the end of a text."""
_OUT: Final = {half: chr(private) for private, half in _BACK.items()} | {
    # These characters themselves are kept as the two halves that UTF-16 makes of them.
    private: "".join(chr(half + 0x101000) for half in (0xD7C0 + (private >> 10), 0xDC00 + (private & 0x3FF)))
    for private in _BACK
}
_FAST: Final = 1
"""zlib's level: half the size of a document, at a fifth of the time of the best."""

# In the order of code points, as SQLite has it, whatever the language of a PostgreSQL server.
_Plain: Final = Text().with_variant(Text(collation="C"), "postgresql")


class FileName(TypeDecorator[str]):
    """A path, or a text that names one, also with bytes that are no text."""

    impl = _Plain
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Python's form to the database's."""
        return value if value is None or value.isascii() else value.translate(_OUT)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """And back."""
        if value is None or value.isascii():
            return value
        back = value.translate(_BACK)
        return (
            value if back == value else back.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        )


class Document(TypeDecorator[dict[str, Any]]):
    """Plain data as compressed JSON."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> bytes | None:
        """Python's form to the database's."""
        return None if value is None else zlib.compress(msgspec.json.encode(value), _FAST)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> dict[str, Any] | None:
        """And back."""
        if value is None:
            return None
        try:
            document: dict[str, Any] = msgspec.json.decode(zlib.decompress(value))
        except (zlib.error, msgspec.DecodeError) as error:
            raise LibraryError(f"a document in the library is damaged ({error}): bring back a copy of it") from error
        return document


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any]]] = {str: _Plain, float: Float(53), int: BigInteger()}


# SQLite counts rows up only where the type is exactly INTEGER.
_Id: Final = BigInteger().with_variant(Integer(), "sqlite")
# A number is not given a second time: what was forgotten during a scan must not be taken for what was added since.
_NUMBERED_ONCE: Final = {"sqlite_autoincrement": True}


class Root(Base):
    """A folder that was scanned."""

    __tablename__ = "roots"
    __table_args__ = _NUMBERED_ONCE

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    path: Mapped[str] = mapped_column(FileName, unique=True)
    """Absolute."""
    added_at: Mapped[float]
    scanned_at: Mapped[float | None]
    """When a scan of all of it last ended."""
    missing_since: Mapped[float | None]
    """Since when the folder is not there, or empty though it was not: a drive that is not mounted."""


class File(Base):
    """A file below a root, once seen; a file that is gone stays, as missing."""

    __tablename__ = "files"
    __table_args__ = (
        Index(None, "root_id", "path", unique=True),
        Index(None, "named_sound", "audio_id"),
        _NUMBERED_ONCE,
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("roots.id", ondelete="CASCADE"))
    audio_id: Mapped[int | None] = mapped_column(ForeignKey("audio.id"), index=True)
    """None for a file that has no answer: see `error`."""
    path: Mapped[str] = mapped_column(FileName)
    """Below the root, with slashes on every system."""
    size: Mapped[int] = mapped_column(index=True)
    """Bytes."""
    stamp: Mapped[str | None]
    """Times and inode when it was read, as text; None if it had just been written, so that it will be read again."""
    digest: Mapped[str | None] = mapped_column(index=True)
    """BLAKE3 of its bytes, hexadecimal."""
    container: Mapped[str | None]
    codec: Mapped[str | None]
    bit_depth: Mapped[int | None]
    error: Mapped[str | None]
    """Class of the error that it gave in place of an answer."""
    reason: Mapped[str | None] = mapped_column(FileName)
    named_tempo_bpm: Mapped[float | None]
    """What its name and folders say."""
    named_key: Mapped[str | None]
    """The same, as Am or F#."""
    named_sound: Mapped[str | None]
    found_at: Mapped[float]
    missing_since: Mapped[float | None]

    root: Mapped[Root] = relationship(lazy="raise")
    audio: Mapped[Audio | None] = relationship(back_populates="files", lazy="raise")


class Audio(Base):
    """A sound: what search finds."""

    __tablename__ = "audio"
    __table_args__ = _NUMBERED_ONCE

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    """BLAKE3 of the decoded samples, hexadecimal."""
    added_at: Mapped[float] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(FileName, index=True)
    """Of the file that stands for it: the first that is there, or was."""
    files_present: Mapped[int] = mapped_column(index=True)

    level: Mapped[str]
    kind: Mapped[str | None] = mapped_column(index=True)
    duration_s: Mapped[float] = mapped_column(index=True)
    sample_rate_hz: Mapped[int]
    channels: Mapped[int]
    tempo_bpm: Mapped[float | None] = mapped_column(index=True)
    tempo_confidence: Mapped[float | None]
    key: Mapped[int | None] = mapped_column(index=True)
    """Twice the tonic in semitones above C, one more for minor."""
    key_confidence: Mapped[float | None]
    loudness_lufs: Mapped[float | None] = mapped_column(index=True)
    loudness_range_lu: Mapped[float | None]
    true_peak_dbtp: Mapped[float | None] = mapped_column(index=True)
    spectral_centroid_hz: Mapped[float | None] = mapped_column(index=True)
    """Its mean."""
    attack_s: Mapped[float | None]
    harmonic_ratio: Mapped[float | None]
    root_midi: Mapped[int | None]

    files: Mapped[list[File]] = relationship(back_populates="audio", lazy="raise", order_by="File.id")
    analyses: Mapped[list[Analysis]] = relationship(lazy="raise")
    corrections: Mapped[list[Correction]] = relationship(lazy="raise", order_by="Correction.field")
    tags: Mapped[list[Tag]] = relationship(lazy="raise", order_by="Tag.name")


class Analysis(Base):
    """What was measured of a sound at one level."""

    __tablename__ = "analyses"
    # A scan asks of every file whether its analysis is up to date: answered by the index alone, it need not pass by
    # the documents, of which there is hardly more than one on a page.
    __table_args__ = (Index(None, "audio_id", "level", "fingerprint"),)

    audio_id: Mapped[int] = mapped_column(ForeignKey("audio.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    """Of all that the numbers depend on: where it is another one today, they are out of date."""
    analyzed_at: Mapped[float]
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    """`AudioFeatures.to_dict`, without what belongs to the file."""


class Correction(Base):
    """What a user knows better; it holds against every analysis."""

    __tablename__ = "corrections"

    audio_id: Mapped[int] = mapped_column(ForeignKey("audio.id", ondelete="CASCADE"), primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    """As the user would write it."""
    set_at: Mapped[float]


class Tag(Base):
    """A user's word for a sound."""

    __tablename__ = "tags"
    __table_args__ = (Index(None, "name", "audio_id"),)

    audio_id: Mapped[int] = mapped_column(ForeignKey("audio.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class Collection(Base):
    """A named set of sounds: those put into it, and those that its query finds."""

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    query: Mapped[str | None]
    created_at: Mapped[float]


class CollectionItem(Base):
    """A sound that was put into a collection."""

    __tablename__ = "collection_items"

    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    audio_id: Mapped[int] = mapped_column(ForeignKey("audio.id", ondelete="CASCADE"), primary_key=True, index=True)
    added_at: Mapped[float]


class Word(Base):
    """A word in the path of one of a sound's files."""

    __tablename__ = "words"
    __table_args__ = (Index(None, "audio_id", "word"), {"sqlite_with_rowid": False})

    word: Mapped[str] = mapped_column(primary_key=True)
    audio_id: Mapped[int] = mapped_column(ForeignKey("audio.id", ondelete="CASCADE"), primary_key=True)


class Job(Base):
    """A piece of work that takes a while: what it is, how far it came, how it ended."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "kind", "subject"), Index(None, "state", "home"))

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    kind: Mapped[str]
    """scan, analysis or batch."""
    state: Mapped[str]
    """queued, running, done, failed, cancelled, quarantined; interrupted, of a scan that was not a service's."""
    subject: Mapped[str] = mapped_column(FileName)
    """What it works on: folders, or the digest of a file's bytes."""
    level: Mapped[str | None]
    totals: Mapped[dict[str, Any] | None] = mapped_column(Document)
    error: Mapped[str | None]
    """Class of the error by which it failed."""
    reason: Mapped[str | None] = mapped_column(FileName)
    """Why it failed."""
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    seen_at: Mapped[float]
    """When it last said that it lives."""
    ended_at: Mapped[float | None]
    ticket: Mapped[str | None] = mapped_column(unique=True)
    """Its name for who asked a service for it."""
    owner: Mapped[str | None] = mapped_column(index=True)
    """Who asked: the id of a key."""
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    """The job of which it is a part."""
    home: Mapped[str | None]
    """The service that accepted it, and alone works on it."""
    leased_until: Mapped[float | None]
    """While the service has it in hand: until when it is taken to live."""
    deaths: Mapped[int] = mapped_column(default=0)
    """How many services died with it in hand."""
    version: Mapped[int] = mapped_column(default=0)
    """How often it changed."""


class Home(Base):
    """A service that uses the library, and where it keeps what was uploaded to it."""

    __tablename__ = "homes"

    id: Mapped[str] = mapped_column(primary_key=True)
    """As its data folder has it."""
    uploads: Mapped[str] = mapped_column(FileName, unique=True)
    """An absolute folder."""


class Key(Base):
    """Who may use a service, and for what."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """SHA-256 of its secret part, which is random and long, hexadecimal."""
    scope: Mapped[str]
    """read, write or admin."""
    name: Mapped[str]
    """What its maker calls it."""
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]


class SignIn(Base):
    """A browser that showed a key, and shows a cookie since."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the cookie's value, hexadecimal."""
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float] = mapped_column(index=True)


class Receipt(Base):
    """What was answered to a request that may be sent again."""

    __tablename__ = "receipts"

    owner: Mapped[str] = mapped_column(primary_key=True)
    """Whose request it was: the id of a key."""
    key: Mapped[str] = mapped_column(primary_key=True)
    """The name that they gave it."""
    request: Mapped[str]
    """Digest of what was asked."""
    status: Mapped[int]
    answer: Mapped[dict[str, Any]] = mapped_column(Document)
    created_at: Mapped[float] = mapped_column(index=True)
