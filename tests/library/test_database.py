"""The library's database: what both kinds promise, and what the file of SQLite has to survive."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psutil
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, func, inspect, select, text, update
from sqlalchemy.engine import default
from sqlalchemy.exc import InvalidRequestError

from samplemind.errors import LibraryError, LibraryVersionError
from samplemind.library import database as database_module
from samplemind.library import versions
from samplemind.library.backup import backup
from samplemind.library.database import Database
from samplemind.library.model import Analysis, Audio, Base, Collection, CollectionItem, File, FileName, Root, Tag
from samplemind.library.versions import migrate, revision
from tests.conftest import REPOSITORY
from tests.library.conftest import Statements
from tests.servers import PostgresServer

PATIENCE_S: Final = 30.0
NO_RIGHTS_COUNT: Final = pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may do everything")

# All that tells the tables of one database from another's, in text.
SCHEMA: Final = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    "postgresql": """
        SELECT 'column', table_name || '.' || column_name,
            concat_ws(' ', data_type, collation_name, is_nullable, column_default, is_identity)
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
}

COUNT_UP: Final = """
import sys, time
from pathlib import Path
from samplemind.library.database import Database
from tests.library.test_database import count_up
place = sys.argv[1]
database = Database(place if place.startswith("postgresql") else Path(place))
count_up(database, int(sys.argv[2]))
database.close()
"""


def add_root(database: Database, path: str) -> None:
    with database.writing() as session:
        session.add(Root(path=path, added_at=0.0))


def root_paths(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Root.path).order_by(Root.path)))


def count_up(database: Database, times: int) -> None:
    """Read a number and write the next one, so slowly that writers who don't exclude each other lose some."""
    for _ in range(times):
        with database.writing() as session:
            before = session.scalars(select(Root.added_at)).one()
            time.sleep(0.005)
            session.execute(update(Root).values(added_at=before + 1))


def schema(connection: Connection) -> set[tuple[str, str, tuple[str, ...]]]:
    """What the tables are, in whatever order their columns and rules are written."""
    rows = connection.execute(text(SCHEMA[connection.dialect.name])).all()
    assert len(rows) > len(Base.metadata.tables)
    return {
        (kind, name, tuple(sorted(line.strip(" ,") for line in said.replace('"', "").splitlines())))
        for kind, name, said in rows
        if "alembic_version" not in name and "alembic_version" not in said
    }


def in_child(database: Database, name: str) -> int:
    """Fork; the child adds a folder. It ends with 0 if it could, and had no connection of its parent's."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            inherited = [
                file.path for file in psutil.Process().open_files() if file.path.startswith(str(database.path))
            ]
            add_root(database, name)
            status = 0 if name in root_paths(database) and not inherited else 2
            database.close()
        finally:
            os._exit(status)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def audio(digest: str, **values: object) -> Audio:
    numbers = {"sample_rate_hz": 44_100, "channels": 2, "duration_s": 1.0, "added_at": 0.0, "files_present": 0}
    return Audio(**{"digest": digest, "name": "a.wav", "level": "standard", **numbers, **values})


def place_of(database: Database) -> Path | str:
    """Where it is, for another connection."""
    return database.path or database._reader.url.render_as_string(hide_password=False)


def pairs_joined(name: str) -> str:
    """As every system has it: two halves that make a character are that character."""
    return name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """Another program's connection to the same database, without much patience."""
    other = Database(place_of(database), write_timeout_s=0.3)
    yield other
    other.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A new library in SQLite, with one root."""
    database = Database(tmp_path / "data" / "library.db", write_timeout_s=0.3)
    add_root(database, "/first")
    yield database
    database.close()


class TestTransactions:
    def test_what_is_written_is_read_by_others(self, database: Database, other: Database) -> None:
        add_root(database, "/a")
        assert root_paths(database) == root_paths(other) == ["/a"]

    def test_nothing_is_kept_of_a_block_that_raises(self, database: Database) -> None:
        add_root(database, "/a")

        def stumble() -> None:
            with database.writing() as session:
                session.add(Root(path="/b", added_at=0.0))
                session.flush()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            stumble()
        assert root_paths(database) == ["/a"]
        add_root(database, "/c")
        assert root_paths(database) == ["/a", "/c"]

    def test_nothing_is_kept_of_a_block_that_breaks_a_rule(self, database: Database) -> None:

        def stumble() -> None:
            with database.writing() as session:
                session.add(Root(path="/a", added_at=0.0))
                session.flush()
                session.add(File(root_id=12345, path="b.wav", size=1, found_at=0.0))

        with pytest.raises(LibraryError, match=r"(?i)can't take this in beside what it has: .*foreign key"):
            stumble()
        assert root_paths(database) == []

    def test_threads_and_processes_write_one_after_the_other(self, database: Database, other: Database) -> None:
        add_root(database, "/a")
        other.write_timeout_s = PATIENCE_S
        command = [sys.executable, "-c", COUNT_UP, str(place_of(database)), "20"]
        with subprocess.Popen(command, cwd=REPOSITORY) as process, ThreadPoolExecutor() as pool:
            threads = [pool.submit(count_up, each, 10) for each in (database, database, other)]
            for thread in threads:
                thread.result()
            assert process.wait() == 0
        with database.reading() as session:
            assert session.scalars(select(Root.added_at)).one() == 50

    def test_who_can_not_write_in_time_is_told(self, database: Database, other: Database) -> None:
        with ThreadPoolExecutor() as pool:
            with database.writing() as session:
                session.add(Root(path="/a", added_at=0.0))
                session.flush()
                late = pool.submit(add_root, other, "/b").exception(PATIENCE_S)
            assert isinstance(late, LibraryError)
            assert "busy" in str(late)
        add_root(other, "/c")
        assert root_paths(database) == ["/a", "/c"]

    def test_readers_do_not_wait_for_a_writer(self, database: Database, other: Database) -> None:
        add_root(database, "/a")
        with ThreadPoolExecutor() as pool, database.writing() as session:
            session.add(Root(path="/b", added_at=0.0))
            session.flush()
            for each in (database, other):
                assert pool.submit(root_paths, each).result(PATIENCE_S) == ["/a"]
        assert root_paths(other) == ["/a", "/b"]

    def test_a_reader_sees_one_moment_and_holds_nobody_up(self, database: Database, other: Database) -> None:
        add_root(database, "/a")
        with database.reading() as session:
            assert session.scalar(select(func.count()).select_from(Root)) == 1
            add_root(other, "/b")
            assert session.scalar(select(func.count()).select_from(Root)) == 1
        assert root_paths(database) == ["/a", "/b"]

    def test_many_read_at_once(self, database: Database) -> None:
        """More than connections are kept, two in each thread."""
        readers = 24 if database.path is not None else 7  # PostgreSQL's are 15
        add_root(database, "/a")
        together = threading.Barrier(readers)

        def read() -> list[str]:
            with database.reading() as session:
                first = session.scalars(select(Root.path)).all()
                together.wait(PATIENCE_S)
                assert session.scalars(select(Root.path)).all() == first
                return root_paths(database)

        with ThreadPoolExecutor(readers) as pool:
            assert [each.result() for each in [pool.submit(read) for _ in range(readers)]] == [["/a"]] * readers

    def test_nothing_is_loaded_behind_anybodys_back(self, database: Database, statements: Statements) -> None:
        with database.writing() as session:
            session.add(audio("00"))
        with database.reading() as session, statements(database) as sent:
            entry = session.scalars(select(Audio)).one()
            for name in ("files", "analyses", "corrections", "tags"):
                with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                    getattr(entry, name)
        assert len(sent) == 1

    def test_names_of_files_are_no_signs_of_trouble(self, database: Database) -> None:
        """PostgreSQL quotes them in its errors."""
        for name in ("/malformed", "/disk is full", "/is locked"):
            add_root(database, name)
            with pytest.raises(LibraryError, match="can't take this in"):
                add_root(database, name)

    def test_a_number_is_not_given_again(self, database: Database) -> None:
        """Whoever has it from before must not take another row for that one."""
        for table in (Root, Audio, File):
            numbers = []
            for _ in range(2):
                with database.writing() as session:
                    root = Root(path=f"/{table.__name__}", added_at=0.0)
                    session.add(root)
                    session.flush()
                    sound = audio("00")
                    sound.files = [File(root_id=root.id, path="b.wav", size=1, found_at=0.0)]
                    session.add(sound)
                    session.flush()
                    numbers.append({Root: root.id, Audio: sound.id, File: sound.files[0].id}[table])
                    session.execute(text("DELETE FROM files"))
                    session.execute(text("DELETE FROM audio"))
                    session.execute(text("DELETE FROM roots"))
            assert numbers[0] < numbers[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Python 3.12 warns of what is tested
class TestForks:
    def test_a_child_has_connections_of_its_own(self, database: Database) -> None:
        """With a shared one, answers of PostgreSQL would go to whoever reads first."""
        add_root(database, "/a")
        assert root_paths(database) == ["/a"]  # there is a connection that is kept
        children = [in_child(database, f"/child {number}") for number in range(4)]
        for number in range(50):
            assert "/a" in root_paths(database), number
        assert [status_of(child) for child in children] == [0] * 4
        assert root_paths(database) == ["/a", *(f"/child {number}" for number in range(4))]

    @pytest.mark.parametrize("kind", ["reading", "writing"])
    def test_it_waits_for_what_other_threads_do(self, database: Database, kind: str) -> None:
        add_root(database, "/a")
        begun = threading.Event()

        def use() -> None:
            with database.reading() if kind == "reading" else database.writing() as session:
                session.scalars(select(Root.path)).all()
                begun.set()
                time.sleep(0.2)

        with ThreadPoolExecutor() as pool:
            used = pool.submit(use)
            assert begun.wait(PATIENCE_S)
            assert status_of(in_child(database, "/b")) == 0
            used.result()
        assert root_paths(database) == ["/a", "/b"]

    def test_who_forks_may_have_a_session(self, database: Database) -> None:
        """It can't wait for itself."""
        with database.reading() as session:
            assert session.scalars(select(Root.path)).all() == []
            child = os.fork()
            if child == 0:
                os._exit(0)
            assert status_of(child) == 0
        assert root_paths(database) == []

    def test_many_threads_and_children(self, database: Database) -> None:
        add_root(database, "/a")
        enough = threading.Event()

        def keep_using() -> None:
            for number in itertools.count():
                if enough.is_set():
                    return
                assert "/a" in root_paths(database)
                if number % 5 == 0:
                    with database.writing() as session:
                        session.execute(update(Root).where(Root.path == "/a").values(added_at=number))

        database.write_timeout_s = PATIENCE_S
        with ThreadPoolExecutor() as pool:
            threads = [pool.submit(keep_using) for _ in range(3)]
            try:
                children = [in_child(database, f"/{number}") for number in range(8)]
                assert [status_of(child) for child in children] == [0] * 8
            finally:
                enough.set()
            for thread in threads:
                thread.result()
        assert root_paths(database) == [*(f"/{number}" for number in range(8)), "/a"]


class TestValues:
    NAMES: Final = (
        *("kick.wav", "caf\udce9.wav", "\udcff\udc80", "é\N{GRINNING FACE}\\x", "Z.wav", "a b\tc\n.wav"),
        # Characters that names which are no text could be kept as.
        *("\U0010ece9.wav", "\U0010fce9.wav", "\U0010ecff\U0010ec80", "\udcff\U0010ec80", "\U0010ffff", "\udfff"),
    )

    def test_names_that_are_no_text_survive(self, database: Database) -> None:
        for name in self.NAMES:
            add_root(database, f"/{name}")
        assert set(root_paths(database)) == {f"/{name}" for name in self.NAMES}
        with database.reading() as session:
            assert session.scalars(select(Root.path).where(Root.path == "/caf\udce9.wav")).all() == ["/caf\udce9.wav"]

    def test_every_character_of_a_name_survives(self) -> None:
        """Alone, and beside those that are no text."""
        column, dialect = FileName(), default.DefaultDialect()
        kept = {}
        for code in range(0xD800, 0x110000):
            for name in (chr(code), f"\udce9{chr(code)}", f"{chr(code)}\udbff"):
                if code >= 0x10E000 or code < 0xE000:
                    stored = column.process_bind_param(name, dialect)
                    assert stored is not None
                    assert stored.encode()
                    kept[stored] = name
                    assert column.process_result_value(stored, dialect) == pairs_joined(name), ascii(name)
        assert len(kept) == len({pairs_joined(name) for name in kept.values()})

    def test_texts_are_in_the_order_of_code_points(self, database: Database) -> None:
        for name in ("b", "a", "B", "é", "_", "a b", "aa"):
            add_root(database, name)
        assert root_paths(database) == ["B", "_", "a", "a b", "aa", "b", "é"]

    def test_documents_and_numbers_survive(self, database: Database) -> None:
        document = {"tempo_bpm": 0.1 + 0.2, "key": None, "beats_s": [0.5, 1e-300], "name": "é\N{GRINNING FACE}"}
        with database.writing() as session:
            entry = audio("00", tempo_bpm=0.1 + 0.2)
            entry.analyses = [Analysis(level="standard", fingerprint="f", analyzed_at=1e9 + 1e-6, document=document)]
            session.add(entry)
        with database.reading() as session:
            found = session.execute(select(Audio.tempo_bpm, Analysis.analyzed_at, Analysis.document).join(Analysis))
            assert list(found) == [(0.1 + 0.2, 1e9 + 1e-6, document)]

    @pytest.mark.parametrize(
        "damage",
        [b"no compressed data", zlib.compress(b"no json"), zlib.compress(b"{}")[:-3]],
        ids=["not compressed", "no JSON", "cut off"],
    )
    def test_a_damaged_document(self, database: Database, damage: bytes) -> None:
        with database.writing() as session:
            entry = audio("00")
            entry.analyses = [Analysis(level="standard", fingerprint="f", analyzed_at=0.0, document={"a": 1})]
            session.add(entry)
            session.flush()
            session.execute(text("UPDATE analyses SET document = :damage"), {"damage": damage})
        with database.reading() as session, pytest.raises(LibraryError, match="is damaged"):
            session.scalars(select(Analysis.document)).all()


class TestVersions:
    def test_the_tables_are_those_of_the_model(self, place: Path | str) -> None:
        database = Database(place)
        add_root(database, "/a")
        with database.reader() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, Base.metadata) == []
            assert revision(connection) == versions.HEAD
        database.close()

    def test_a_new_database_is_as_the_model_would_make_it(self, place: Path | str) -> None:
        """In what Alembic does not compare, too: collations, and how SQLite counts and keeps rows."""
        database = Database(place)
        add_root(database, "/a")
        with database.reader() as connection:
            migrated = schema(connection)
        migrate(database, "base")
        with database.alone() as connection:
            Base.metadata.create_all(connection)
            assert schema(connection) == migrated
        database.close()

    def test_programs_that_start_together_make_it_once(self, place: Path | str) -> None:
        starts = threading.Barrier(4)

        def start(number: int) -> None:
            database = Database(place)
            starts.wait(PATIENCE_S)
            add_root(database, f"/{number}")
            database.close()

        with ThreadPoolExecutor() as pool:
            list(pool.map(start, range(4)))
        database = Database(place)
        assert root_paths(database) == ["/0", "/1", "/2", "/3"]
        database.close()

    def test_down_and_up_again(self, place: Path | str) -> None:
        database = Database(place)
        add_root(database, "/a")
        copy = migrate(database, "base")
        with database.reader() as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        assert migrate(database, "base") is None
        assert migrate(database) is None  # there was nothing to be copied
        assert root_paths(database) == []
        add_root(database, "/b")
        database.close()
        assert (copy is not None) == isinstance(place, Path)
        if copy is not None:
            kept = Database(copy)
            assert root_paths(kept) == ["/a"]
            kept.close()

    def test_steps_of_one_second_keep_a_copy_each(self, file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(versions.time, "strftime", lambda _: "20260131-120000")
        assert file.path is not None
        copies = []
        for _ in range(3):
            copies.append(migrate(file, "base"))
            migrate(file)
        names = [f"library-{versions.HEAD}-20260131-120000{which}.db" for which in ("", "-2", "-3")]
        assert copies == [file.path.with_name(name) for name in names]
        kept = Database(file.path.with_name(names[0]))
        assert root_paths(kept) == ["/first"]
        kept.close()

    def test_a_step_that_makes_a_table_anew_takes_nothing_with_it(self, database: Database) -> None:
        """As SQLite changes tables: what refers to the old one, by ON DELETE CASCADE, must not go with it."""
        with database.writing() as session:
            entry = audio("00")
            entry.tags = [Tag(name="used")]
            root = Root(path="/a", added_at=0.0)
            collection = Collection(name="best", created_at=0.0)
            session.add_all([entry, root, collection])
            session.flush()
            session.add(File(root_id=root.id, audio_id=entry.id, path="b.wav", size=1, found_at=0.0))
            session.add(CollectionItem(collection_id=collection.id, audio_id=entry.id, added_at=0.0))
        with database.alone() as connection:
            steps = Operations(MigrationContext.configure(connection))
            for table, column in (("audio", "duration_s"), ("roots", "added_at"), ("collections", "created_at")):
                with steps.batch_alter_table(table, recreate="auto") as changed:
                    changed.alter_column(column, nullable=True)
        with database.reading() as session:
            for table in (Audio, Tag, Root, File, Collection, CollectionItem):
                assert session.scalar(select(func.count()).select_from(table)) == 1

    def test_a_step_may_leave_nothing_without_what_it_refers_to(self, file: Database) -> None:
        with file.writing() as session:
            session.add(File(root_id=1, path="b.wav", size=1, found_at=0.0))
        with pytest.raises(LibraryError, match="nothing was changed"), file.alone() as connection:
            connection.execute(text("DELETE FROM roots"))
        assert root_paths(file) == ["/first"]

    def test_a_newer_one_is_refused_and_left_alone(self, place: Path | str) -> None:
        database = Database(place)
        add_root(database, "/a")
        with database.alone() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        database.close()
        before = contents(place)
        newer = Database(place)
        for attempt in (newer.reading, newer.writing):
            with pytest.raises(LibraryVersionError, match="9999"), attempt():
                pass
        newer.close()
        assert contents(place) == before

    def test_a_database_of_others_is_left_alone(self, place: Path | str) -> None:
        """Ours are made beside tables that are there already."""
        database = Database(place)
        with database.alone() as connection:
            connection.execute(text("CREATE TABLE others (id INTEGER)"))
        add_root(database, "/a")
        migrate(database, "base")
        with database.reader() as connection:
            assert "others" in inspect(connection).get_table_names()
        database.close()


def contents(place: Path | str) -> object:
    """All that is in a database, to be compared."""
    if isinstance(place, Path):
        return sorted(
            (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in place.parent.iterdir()
            if path.suffix in (".db", ".db-wal") and path.stat().st_size
        )
    database = Database(place)
    with database.reader() as connection:
        tables = inspect(connection).get_table_names()
        found = {name: connection.execute(text(f'SELECT * FROM "{name}"')).all() for name in tables}  # noqa: S608
    database.close()
    return found


class TestBackup:
    def test_a_copy_is_of_one_moment(self, file: Database, tmp_path: Path) -> None:
        """Each transaction adds one folder and one collection, so a copy has as many of both."""
        enough = threading.Event()
        file.write_timeout_s = PATIENCE_S

        def write() -> None:
            number = 0
            while not enough.is_set():
                with file.writing() as session:
                    session.add(Root(path=f"/{number}", added_at=0.0))
                    session.flush()
                    session.add(Collection(name=str(number), created_at=0.0))
                number += 1

        copies = [tmp_path / f"copy-{number}.db" for number in range(5)]
        with ThreadPoolExecutor() as pool:
            writer = pool.submit(write)
            for copy in copies:
                backup(file, copy)
                time.sleep(0.02)
            enough.set()
            writer.result()
        found = []
        for copy in copies:
            with sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            connection.close()
            library = Database(copy)
            with library.reading() as session:
                roots = session.scalar(select(func.count()).select_from(Root))
                collections = session.scalar(select(func.count()).select_from(Collection))
            library.close()
            assert roots is not None
            assert roots - 1 == collections  # the first folder was there before
            found.append(roots)
        assert found == sorted(found)
        assert found[0] < found[-1]
        assert not list(tmp_path.glob("*.unfinished"))

    def test_a_file_that_is_there_is_left(self, file: Database, tmp_path: Path) -> None:
        (tmp_path / "copy.db").write_text("mine")
        with pytest.raises(LibraryError, match="there already"):
            backup(file, tmp_path / "copy.db")
        assert (tmp_path / "copy.db").read_text() == "mine"

    def test_a_place_that_can_not_be_written(self, file: Database, tmp_path: Path) -> None:
        with pytest.raises(LibraryError, match=r"can't be copied to .*copy\.db: .*No such file"):
            backup(file, tmp_path / "nowhere" / "copy.db")

    @NO_RIGHTS_COUNT
    def test_a_place_that_may_not_be_entered(self, file: Database, tmp_path: Path) -> None:
        (tmp_path / "closed").mkdir(mode=0)
        with pytest.raises(LibraryError, match=r"can't be copied to .*Permission denied"):
            backup(file, tmp_path / "closed" / "copy.db")

    @pytest.mark.skipif(os.name == "nt", reason="opens no folders")
    def test_its_name_is_on_the_disk(self, file: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A step between versions relies on it. What is asked of the system is noted on its way there."""
        copy = tmp_path / "copy.db"
        asked = []
        sync = os.fsync

        def note(opened: int) -> None:
            asked.append((os.fstat(opened).st_ino, copy.exists()))
            sync(opened)

        monkeypatch.setattr(os, "fsync", note)
        backup(file, copy)
        assert asked == [(copy.stat().st_ino, False), (tmp_path.stat().st_ino, True)]

    def test_postgres_has_its_own_means(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        url = postgres_server.new_database()
        with pytest.raises(LibraryError, match="pg_dump"):
            backup(Database(url), tmp_path / "copy.db")
        postgres_server.drop(url)


class TestTheFile:
    def test_it_is_private(self, file: Database) -> None:
        assert file.path is not None
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700

    def test_closed_it_is_one_file(self, file: Database) -> None:
        assert file.path is not None
        assert file.path.with_name("library.db-wal").exists()
        file.close()
        assert not file.path.with_name("library.db-wal").exists()

    def test_who_reads_changes_nothing(self, file: Database) -> None:
        file.close()
        assert file.path is not None
        before = file.path.stat().st_mtime_ns, contents(file.path)
        reader = Database(file.path)
        assert root_paths(reader) == ["/first"]
        reader.close()
        assert (file.path.stat().st_mtime_ns, contents(file.path)) == before

    def test_closing_waits_for_nobody(self, file: Database) -> None:
        assert file.path is not None
        other = Database(file.path)
        with other.writing() as session:
            session.add(Root(path="/second", added_at=0.0))
            session.flush()
            assert root_paths(file) == ["/first"]
            file.close()
        assert root_paths(other) == ["/first", "/second"]
        other.close()

    def test_a_program_that_does_not_know_our_lock(self, file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_S", 0.1)
        assert file.path is not None
        stranger = sqlite3.connect(file.path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="is locked by another program"):
            add_root(file, "/second")
        assert root_paths(file) == ["/first"]
        stranger.execute("ROLLBACK")
        stranger.close()
        add_root(file, "/second")
        assert root_paths(file) == ["/first", "/second"]

    @NO_RIGHTS_COUNT
    def test_one_that_may_only_be_read(self, file: Database) -> None:
        file.close()
        assert file.path is not None
        folder = file.path.parent
        before = contents(file.path)
        file.path.chmod(0o400)
        folder.chmod(0o500)
        try:
            reader = Database(file.path)
            assert root_paths(reader) == ["/first"]
            with pytest.raises(LibraryError, match="may not be written by this user"):
                add_root(reader, "/second")
            backup(reader, folder.with_name("copy.db"))
            reader.close()
            assert contents(file.path) == before
        finally:
            folder.chmod(0o700)

    @NO_RIGHTS_COUNT
    def test_who_may_only_read_sees_what_others_write(self, file: Database) -> None:
        """Also after it was written back into the file."""
        file.close()
        assert file.path is not None
        file.path.parent.chmod(0o500)
        reader = Database(file.path)
        try:
            for number in range(3):
                assert len(root_paths(reader)) == 1 + number
                file.path.parent.chmod(0o700)
                add_root(file, f"/{number}")
                file.path.parent.chmod(0o500)
                assert len(root_paths(reader)) == 2 + number
                file.path.parent.chmod(0o700)
                file.close()
                file.path.parent.chmod(0o500)
        finally:
            file.path.parent.chmod(0o700)
        reader.close()

    @NO_RIGHTS_COUNT
    def test_reading_takes_nobodys_rights(self, file: Database) -> None:
        """A log that SQLite makes has the rights of the file."""
        file.close()
        assert file.path is not None
        file.path.chmod(0o400)
        reader = Database(file.path)
        assert root_paths(reader) == ["/first"]
        reader.close()
        file.path.chmod(0o600)
        add_root(file, "/second")
        assert root_paths(file) == ["/first", "/second"]

    @NO_RIGHTS_COUNT
    def test_a_folder_that_may_not_be_entered(self, file: Database) -> None:
        file.close()
        assert file.path is not None
        file.path.parent.chmod(0)
        try:
            database = Database(file.path)
            for attempt in (database.reading, database.writing):
                with pytest.raises(LibraryError, match="can't be read: Permission denied"), attempt():
                    pass
            with pytest.raises(LibraryError, match="can't be read: Permission denied"):
                database.exists()
            database.close()
        finally:
            file.path.parent.chmod(0o700)

    def test_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "library.db"
        path.write_text("This is a text, and longer than the header of a database. " * 100)
        before = path.read_bytes()
        database = Database(path)
        with pytest.raises(LibraryError, match="is no database"), database.reading():
            pass
        database.close()
        assert path.read_bytes() == before

    def test_damaged(self, file: Database) -> None:
        with file.writing() as session:
            session.add_all(Root(path=f"/{number}", added_at=0.0) for number in range(2000))
        file.close()
        assert file.path is not None
        size = file.path.stat().st_size
        with file.path.open("rb+") as damaged:
            damaged.seek(size // 2)
            damaged.write(b"\xa5" * (size // 2))
        database = Database(file.path)
        with pytest.raises(LibraryError, match="is damaged: bring back a copy"):
            root_paths(database)
        database.close()


FILL: Final = """
import resource, sys
from pathlib import Path
from samplemind.errors import LibraryError
from samplemind.library.database import Database
from tests.library.test_database import fill
database = Database(Path(sys.argv[1]))
with database.reading():
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
fill(database)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with database.writing():
    pass
database.close()
"""


def fill(database: Database) -> None:
    """Write until there is no room; what was begun when it ended is not there, and all before is."""
    written = 0
    failed: LibraryError | None = None
    while failed is None:
        assert written < 10_000, "no limit was met"
        try:
            with database.writing() as session:
                session.add_all(Root(path=f"/{written}/{each}" + "x" * 200, added_at=written) for each in range(100))
        except LibraryError as error:
            failed = error
        else:
            written += 1
    assert "disk is full" in str(failed), failed
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Root)) == 100 * written
        assert session.scalar(text("PRAGMA integrity_check")) == "ok"


class TestNoRoom:
    @pytest.mark.skipif(sys.platform == "win32", reason="no such limits on Windows")
    def test_a_file_that_may_not_grow(self, tmp_path: Path) -> None:
        """As on a disk that is full: the system refuses to write."""
        path = tmp_path / "library.db"
        command = [sys.executable, "-c", FILL, str(path)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        database = Database(path)
        add_root(database, "/after")
        assert "/after" in root_paths(database)
        database.close()

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a file system as on Linux")
    def test_a_full_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this account can't mount a file system")
        try:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(1_000_000))
            database = Database(disk / "library.db")
            fill(database)
            with pytest.raises(LibraryError, match=r"library\.db can't be copied to .*copy\.db: .*full"):
                backup(database, disk / "copy.db")
            assert not list(disk.glob("copy*"))
            ballast.unlink()
            add_root(database, "/after")
            assert "/after" in root_paths(database)
            database.close()
        finally:
            subprocess.run(["umount", str(disk)], check=True)


class TestPostgres:
    def test_no_server(self) -> None:
        database = Database("postgresql://samplemind:secret@127.0.0.1:1/library")
        with pytest.raises(LibraryError, match=r"127\.0\.0\.1") as failed, database.reading():
            pass
        assert "secret" not in str(failed.value)

    def test_an_address_that_is_none(self) -> None:
        for address in ("library", "mysql://127.0.0.1/library"):
            with pytest.raises(LibraryError, match="postgresql://"):
                Database(address)

    @pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
    def test_an_encoding_that_has_not_every_name(self, postgres_server: PostgresServer, encoding: str) -> None:
        url = postgres_server.new_database(encoding=encoding)
        database = Database(url)
        with pytest.raises(LibraryError, match=f"encoded in {encoding}.*UTF8"), database.reading():
            pass
        database.close()
        postgres_server.drop(url)

    def test_more_sessions_than_connections(self, postgres_server: PostgresServer) -> None:
        url = postgres_server.new_database()
        database = Database(url, write_timeout_s=0.3)
        with contextlib.ExitStack() as open_ones:
            for _ in range(15):
                open_ones.enter_context(database.reading()).execute(text("SELECT 1"))
            with pytest.raises(LibraryError, match="is busy"):
                root_paths(database)
        assert root_paths(database) == []
        database.close()
        postgres_server.drop(url)

    def test_connections_that_the_server_ended(self, postgres_server: PostgresServer) -> None:
        """One statement may fail; after that it goes on."""
        url = postgres_server.new_database()
        database = Database(url)
        add_root(database, "/a")
        postgres_server.disconnect(url)
        with pytest.raises(LibraryError):
            root_paths(database)
        assert root_paths(database) == ["/a"]
        database.close()
        postgres_server.drop(url)
