"""A tier read through: checked, and carried elsewhere."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samplemind.cache import DiskTier, MemoryTier, Tier
from samplemind.cache.bundle import encode
from samplemind.cache.portable import Checked, Exported, Imported, export_entries, import_entries, verify
from samplemind.cache.seal import sealed

DIGEST = "0" * 63 + "f"
VALUES = {
    f"audio/{DIGEST}/basic": encode({"tempo": ("fingerprint", 120.0)}),
    f"array/{DIGEST}/tempo": encode({}),
    f"file/{DIGEST}": b'{"container": "WAV"}',
    "like/44100/44100/2": b"",
}
"""What other machines can use, by key."""
LOCAL = {f"stat/{DIGEST}": DIGEST.encode()}

MakeTier = Callable[[], Tier]


@pytest.fixture(params=["memory", "disk"])
def make_tier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeTier]:
    made: list[Tier] = []

    def make() -> Tier:
        made.append(MemoryTier() if request.param == "memory" else DiskTier(tmp_path / f"{len(made)}.sqlite"))
        return made[-1]

    yield make
    for tier in made:
        tier.close()


def data(values: dict[str, bytes]) -> dict[str, bytes]:
    return {key: sealed(key, value) for key, value in values.items()}


def filled(tier: Tier, values: dict[str, bytes]) -> Tier:
    tier.put(data(values))
    return tier


def exported(values: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    export_entries(filled(MemoryTier(), values), file)
    return file.getvalue()


class TestExportAndImport:
    def test_all_comes_over_but_what_is_of_this_machine(self, make_tier: MakeTier) -> None:
        file = io.BytesIO()
        assert export_entries(filled(make_tier(), {**VALUES, **LOCAL}), file) == Exported(len(VALUES), 0)
        assert b"stat/" not in file.getvalue()
        file.seek(0)
        there = make_tier()
        assert import_entries(file, there) == Imported(len(VALUES), 0, 0, complete=True)
        assert dict(there.items()) == data(VALUES)

    def test_an_empty_cache_comes_over_too(self, make_tier: MakeTier) -> None:
        assert import_entries(io.BytesIO(exported({})), make_tier()) == Imported(0, 0, 0, complete=True)

    def test_the_file_is_json_lines(self) -> None:
        first, *entries, last = map(json.loads, exported(VALUES).decode("ascii").splitlines())
        assert first == {"format": "samplemind cache", "version": 1}
        assert {entry["key"] for entry in entries} == VALUES.keys()
        assert last == {"entries": len(VALUES)}

    def test_what_is_there_stays_as_it_is(self, make_tier: MakeTier) -> None:
        mine = encode({"tempo": ("fingerprint", 60.0)})
        key = f"audio/{DIGEST}/basic"
        there = filled(make_tier(), {key: mine})
        assert import_entries(io.BytesIO(exported(VALUES)), there) == Imported(3, 1, 0, complete=True)
        assert there.get(key) == sealed(key, mine)

    def test_what_is_there_but_damaged_is_replaced(self, make_tier: MakeTier) -> None:
        there = make_tier()
        there.put({f"file/{DIGEST}": b"damaged beyond recognition"})
        assert import_entries(io.BytesIO(exported(VALUES)), there) == Imported(4, 0, 0, complete=True)
        assert dict(there.items()) == data(VALUES)

    def test_damaged_entries_are_not_exported(self, make_tier: MakeTier) -> None:
        tier = filled(make_tier(), VALUES)
        tier.put({f"audio/{DIGEST}/standard": b"damaged beyond recognition"})
        file = io.BytesIO()
        assert export_entries(tier, file) == Exported(len(VALUES), 1)
        assert b"standard" not in file.getvalue()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "not a file that"),
            (b"RIFF\x24\x00\x00\x00WAVE" * 1000, "not a file that"),
            (b"SQLite format 3\x00", "not a file that"),
            (b'{"entries": 3}\n', "not a file that"),
            (b"[" * 100_000, "not a file that"),
            (b'{"format": "samplemind cache", "version": "1"}\n', "not a file that"),
            (b'{"format": "samplemind cache", "version": 0}\n', "not a file that"),
            (b'{"format": "samplemind cache", "version": 2}\n', "newer samplemind"),
        ],
    )
    def test_other_files_are_refused(self, content: bytes, reason: str) -> None:
        tier = MemoryTier()
        with pytest.raises(ValueError, match=reason):
            import_entries(io.BytesIO(content), tier)
        assert list(tier.items()) == []

    def test_one_damaged_byte_costs_no_more_than_two_entries_and_is_never_unnoticed(self) -> None:
        values = {f"like/{number}/44100/2": b"" for number in range(5)} | {f"file/{DIGEST}": b"{}"}
        whole = exported(values)
        original = data(values)
        head = whole.index(b"\n")
        for place in range(head, len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            tier = MemoryTier()
            try:
                imported = import_entries(io.BytesIO(damaged), tier)
            except ValueError:
                assert place == head, "only the first line decides whether it is read"
                continue
            kept = dict(tier.items())
            assert kept.items() <= original.items()
            assert len(kept) >= len(original) - 2, "a damaged line end joins two"
            assert imported.damaged or not imported.complete or kept == original

    def test_a_file_that_was_cut_off_gives_what_it_has(self) -> None:
        whole = exported(VALUES)
        original = data(VALUES)
        for length in range(whole.index(b"\n") + 1, len(whole) - 1):
            tier = MemoryTier()
            imported = import_entries(io.BytesIO(whole[:length]), tier)
            assert not imported.complete
            kept = dict(tier.items())
            assert kept.items() <= original.items()
            assert len(kept) == imported.added >= min(whole[:length].count(b"\n") - 1, len(original))

    def test_a_lost_line_is_noticed(self) -> None:
        lines = exported(VALUES).splitlines(keepends=True)
        imported = import_entries(io.BytesIO(b"".join(lines[:2] + lines[3:])), MemoryTier())
        assert (imported.added, imported.damaged, imported.complete) == (len(VALUES) - 1, 0, False)

    def test_a_made_up_file_brings_nothing_about_this_machines_files(self) -> None:
        tier = MemoryTier()
        lines = exported({"like/1/1/1": b""}).splitlines(keepends=True)
        lines[1] = lines[1].replace(b"like/1/1/1", b"stat/1/1/1")
        assert import_entries(io.BytesIO(b"".join(lines)), tier).damaged == 1
        assert list(tier.items()) == []

    def test_others_write_meanwhile(self, tmp_path: Path) -> None:
        """Each time that the export writes, another connection replaces, adds and removes."""
        tier, other = DiskTier(tmp_path / "cache.sqlite"), DiskTier(tmp_path / "cache.sqlite")
        values = {f"like/{number}/44100/2": b"" for number in range(2000)}
        filled(tier, values)

        class Busy(io.BytesIO):
            written = 0

            def write(self, line: object, /) -> int:
                self.written += 1
                if self.written % 100 == 0:
                    other.put(data({f"like/{self.written}/48000/1": b"", "like/1999/44100/2": b""}))
                    other.remove([f"like/{self.written}/44100/2"])
                return super().write(line)  # type: ignore[arg-type]

        file = Busy()
        done = export_entries(tier, file)
        assert done.damaged == 0
        file.seek(0)
        there = MemoryTier()
        assert import_entries(file, there).complete
        keys = {key for key, _ in there.items()}
        untouched = {key for number, key in enumerate(values) if number % 100}
        assert untouched <= keys
        tier.close()
        other.close()

    def test_an_import_that_is_cut_short_leaves_whole_entries(self, tmp_path: Path) -> None:
        values = {f"like/{number}/44100/2": b"" for number in range(2000)}

        class Unplugged(io.BytesIO):
            def readline(self, size: int | None = -1, /) -> bytes:
                if self.tell() > len(self.getbuffer()) * 0.6:
                    raise OSError("the medium was removed")
                return super().readline(size)

        with contextlib.closing(DiskTier(tmp_path / "cache.sqlite")) as there:
            with pytest.raises(OSError, match="removed"):
                import_entries(Unplugged(exported(values)), there)
            begun = dict(there.items())
            assert begun
            assert begun.items() < data(values).items()
            assert verify(there) == Checked(len(begun), 0)
            rest = import_entries(io.BytesIO(exported(values)), there)
            assert (rest.added, rest.present) == (len(values) - len(begun), len(begun))

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        large = b"x" * 200_000
        here, there = DiskTier(tmp_path / "here.sqlite"), DiskTier(tmp_path / "there.sqlite")
        for number in range(200):
            here.put(data({f"other/{number}": large}))
        tracemalloc.start()
        with (tmp_path / "file").open("w+b") as file:
            assert export_entries(here, file).entries == 200
            file.seek(0)
            assert import_entries(file, there).added == 200
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        here.close()
        there.close()
        assert peak < 200 * len(large) / 2


class TestVerify:
    def test_a_whole_cache_loses_nothing(self, make_tier: MakeTier) -> None:
        tier = filled(make_tier(), {**VALUES, **LOCAL})
        assert verify(tier) == Checked(5, 0)
        assert dict(tier.items()) == data({**VALUES, **LOCAL})
        assert verify(make_tier()) == Checked(0, 0)

    def test_damaged_bytes_are_found_and_removed(self, make_tier: MakeTier) -> None:
        tier = filled(make_tier(), VALUES)
        bad = f"file/{DIGEST}"
        entry = bytearray(data(VALUES)[bad])
        entry[-1] ^= 1
        tier.put({bad: bytes(entry)})
        assert verify(tier) == Checked(len(VALUES), 1)
        assert tier.get(bad) is None
        assert verify(tier) == Checked(len(VALUES) - 1, 0)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (f"audio/{DIGEST}/basic", b"no bundle"),
            (f"audio/{DIGEST}/basic", b""),
            (f"array/{DIGEST}/tempo", encode({})[:-1]),
            (f"file/{DIGEST}", b"{"),
            (f"file/{DIGEST}", b"[1]"),
            (f"file/{DIGEST}", b"\xff"),
            (f"stat/{DIGEST}", DIGEST.encode().upper()),
            (f"url/{DIGEST}", b"\xff"),
            (f"stat/{DIGEST}", DIGEST.encode()[1:]),
            (f"stat/{DIGEST}", DIGEST.encode() + b"\n"),
        ],
    )
    def test_sealed_values_that_are_no_answers_are_removed(self, make_tier: MakeTier, key: str, value: bytes) -> None:
        tier = filled(make_tier(), {key: value, "like/1/1/1": b""})
        assert verify(tier) == Checked(2, 1)
        assert [key for key, _ in tier.items()] == ["like/1/1/1"]

    def test_an_entry_under_another_ones_key_is_removed(self, make_tier: MakeTier) -> None:
        tier = make_tier()
        tier.put({"like/1/1/1": sealed("like/2/2/2", b"")})
        assert verify(tier) == Checked(1, 1)

    def test_bytes_that_change_in_the_file_are_found(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = filled(DiskTier(path), VALUES)
        tier.close()
        connection = sqlite3.connect(path)
        key = f"audio/{DIGEST}/basic"
        value = data(VALUES)[key] + b"\0"
        assert connection.execute("UPDATE entries SET value = ? WHERE key = ?", (value, key)).rowcount == 1
        connection.commit()
        connection.close()
        assert verify(tier) == Checked(len(VALUES), 1)
        tier.close()

    def test_whatever_bit_of_the_file_flips(self, tmp_path: Path) -> None:
        """What is left after a check is as it was, is found by its key, and passes the next check."""
        whole, path = tmp_path / "whole.sqlite", tmp_path / "cache.sqlite"
        original = data({f"like/{number}/44100/2": b"" for number in range(40)} | {"other/1": bytes(9000)})
        with contextlib.closing(DiskTier(whole)) as tier:
            tier.put(original)
        content = whole.read_bytes()
        mended = 0
        for place in range(100, len(content), 211):  # past the header: other versions, or no database at all
            flipped = bytearray(content)
            flipped[place] ^= 1 << place % 8
            path.write_bytes(flipped)
            with contextlib.closing(DiskTier(path)) as tier:
                mended += verify(tier).fault is not None
                left = dict(tier.items())
                assert left.items() <= original.items(), place
                assert {key: tier.get(key) for key in left} == left, place
                assert verify(tier) == Checked(len(left), 0), place
            for file in tmp_path.glob("cache.sqlite*"):
                file.unlink()
        assert mended, "some flips are outside of values"

    def test_a_file_that_is_no_database_is_begun_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        path.write_text("no database, and long enough that nobody takes it for an empty one")
        with contextlib.closing(DiskTier(path)) as tier:
            assert verify(tier) == Checked(0, 0, "file is not a database")
            assert verify(tier) == Checked(0, 0)
            tier.put(data(VALUES))
            assert dict(tier.items()) == data(VALUES)
        assert Path(f"{path}.broken").read_text().startswith("no database")

    def test_an_index_that_lost_a_row_is_mended_and_no_answer_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = filled(DiskTier(path), VALUES)
        tier.close()
        index = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = 'entries_used'"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            row = connection.execute(index).fetchone()
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE name = 'entries_used'")
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE entries SET used = used + 1")
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        with contextlib.closing(DiskTier(path)) as other:
            assert other.get(f"file/{DIGEST}") is not None
            checked = verify(tier)
            other.put(data({"like/1/1/1": b""}))
            assert tier.get("like/1/1/1") is not None, "who had the old file open goes on with the new one"
        assert checked.fault is not None
        assert "entries_used" in checked.fault
        assert (checked.entries, checked.damaged) == (len(VALUES), 0)
        assert {key: tier.get(key) for key in VALUES} == data(VALUES)
        tier.close()


class TestTakingUp:
    """A file that turned out to be damaged while it was used."""

    def damaged(self, path: Path, number: int) -> dict[str, bytes]:
        """A file with some pages overwritten in its middle, found out and set aside; what was in it."""
        content = {f"other/{path.name} {each}": bytes([each % 256]) * 1000 for each in range(number)}
        with contextlib.closing(DiskTier(path)) as tier:
            filled(tier, content)
        whole = bytearray(path.read_bytes())
        middle = len(whole) // 2 // 4096 * 4096
        whole[middle : middle + 3 * 4096] = b"\xff" * 3 * 4096
        path.write_bytes(whole)
        with contextlib.closing(DiskTier(path)) as tier, pytest.raises(sqlite3.DatabaseError, match="cache verify"):
            list(tier.items())
        assert Path(f"{path}.broken").exists()
        return data(content)

    def test_what_can_be_read_on_both_sides_of_the_damage_is_taken_up_once(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        before = self.damaged(path, 300)
        with contextlib.closing(DiskTier(path)) as tier:
            newer = data({"other/new": b"one"})
            tier.put(newer)
            checked = verify(tier)
            left = dict(tier.items())
            assert left.items() <= (before | newer).items()
            assert len(before) - 20 < len(left) < len(before), "three pages of four entries each, but not more"
            assert {"other/cache.sqlite 0", "other/cache.sqlite 299", "other/new"} <= left.keys()
            assert checked == Checked(len(left), 0, "found when it was used, and set aside")
            assert list(tmp_path.glob("*.broken*")) == []
            assert tier.clear() == len(left)
            assert verify(tier) == Checked(0, 0)

    def test_what_is_there_stays_and_counts_as_newer(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        before = self.damaged(path, 300)
        newer = data({"other/cache.sqlite 0": b"newer"} | {f"other/{each}": bytes(1000) for each in range(100)})
        with contextlib.closing(DiskTier(path, 250_000)) as tier:
            tier.put(newer)
            verify(tier)
            left = dict(tier.items())
        assert newer.items() <= left.items(), "what does not fit is what was taken up"
        assert left.items() <= (before | newer).items()
        assert len(left) > len(newer)

    def test_of_two_damaged_files_the_larger_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        for number, most in ((100, 100), (300, 300), (200, 300)):
            self.damaged(path, number)
            assert Path(f"{path}.broken").stat().st_size > most * 1000
        assert not path.exists()

    def test_entries_that_are_in_the_log_only_are_taken_up(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        tier = DiskTier(path)
        tier.put(data(VALUES))
        assert Path(f"{path}-wal").stat().st_size
        tier.set_aside()
        assert tier.get(f"file/{DIGEST}") is None
        assert verify(tier).entries == len(VALUES)
        assert dict(tier.items()) == data(VALUES)
        tier.close()

    def test_clear_forgets_it(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.sqlite"
        self.damaged(path, 300)
        with contextlib.closing(DiskTier(path)) as tier:
            assert tier.clear() == 0
            assert verify(tier) == Checked(0, 0)
