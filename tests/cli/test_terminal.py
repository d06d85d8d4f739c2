"""What appears on a terminal: harmless names, fitting columns, and pictures that say what they should."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest

from samplemind.cli import picture
from samplemind.cli.report import duration, size
from samplemind.cli.terminal import Style, columns, fitted, printable
from samplemind.dsp.keys import note_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kick 01.wav", "kick 01.wav"),
        ("größe 日本語　🎵.wav", "größe 日本語　🎵.wav"),
        ("\x1b[2Jx", "\\x1b[2Jx"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egpj.wav", "abc\\u202egpj.wav"),
        (b"caf\xe9.wav".decode("utf-8", "surrogateescape"), "caf\\xe9.wav"),
        ("\ud800", "\\ud800"),
        ("می\u200cخ 👩\u200d🎤.wav", "می\u200cخ 👩\u200d🎤.wav"),
    ],
)
def test_names_can_not_command_a_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert all(character.isprintable() or character in "　\u200c\u200d" for character in printable(name))


def test_columns_count_what_a_terminal_shows() -> None:
    assert columns("abc") == 3
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert columns(unicodedata.normalize("NFD", "한글")) == columns("한글") == 4
    assert columns("\u2764") == 1
    assert columns("\u2764\ufe0f") == 2, "the same heart as an emoji"
    assert columns("1\ufe0f\u20e3") == 2
    assert columns("م\u200cخ") == 2


@pytest.mark.parametrize(
    "text", ["short", "x" * 50, "日本語" * 10, "a日" * 9, "xe\u0301" * 20, unicodedata.normalize("NFD", "한글" * 20)]
)
def test_a_long_name_keeps_its_end(text: str) -> None:
    short = fitted(text, 12)
    assert columns(short) <= 12
    assert columns(short) == columns(text) or (short[0] == "…" and text.endswith(short[1:]) and columns(short) >= 11)


@pytest.mark.parametrize("mark", ["\u0301", "\u20e3", "\ufe0f", "\u200d", "\u11ab"])
def test_a_cut_name_does_not_begin_with_half_a_character(mark: str) -> None:
    assert fitted(f"x日{mark}abc", 5) == "…abc"
    assert fitted(f"xxxx日{mark}abc", 6 + columns(mark)) == f"…日{mark}abc"


def test_a_name_of_any_length_is_cut_at_once() -> None:
    started = time.process_time()
    assert len(fitted("é" * 200_000, 80)) == 80
    assert time.process_time() - started < 5, "it took minutes when every cut measured the rest"


def test_style_adds_nothing_when_off() -> None:
    assert Style(enabled=False).bold("x") == "x"
    assert Style(enabled=True).bold("x") == "\x1b[1mx\x1b[0m"
    assert Style(enabled=True).bold("") == ""


def dots(rows: list[str]) -> list[int]:
    """How many dots each of the columns of a waveform has."""
    left, right = 0x01 | 0x02 | 0x04 | 0x40, 0x08 | 0x10 | 0x20 | 0x80
    counts = []
    for cells in zip(*rows, strict=True):
        for half in (left, right):
            counts.append(sum((ord(cell) - 0x2800 & half).bit_count() for cell in cells))
    return counts


def test_the_waveform_is_as_high_as_the_sound_is_loud() -> None:
    slices = [0.01 * index for index in range(128)]
    rows = picture.waveform_rows(slices)
    assert {len(row) for row in rows} == {picture.CELLS}
    heights = dots(rows)
    assert heights == sorted(heights)
    assert heights[0] == 2, "silence is a line"
    assert heights[-1] == 4 * picture.ROWS, "the loudest part fills the height"
    assert heights[64] == pytest.approx(2 * picture.ROWS, abs=2)


def test_a_waveform_of_few_slices_is_stretched_and_silence_is_a_line() -> None:
    assert dots(picture.waveform_rows([1.0, 0.5])) == [16] * 64 + [8] * 64
    assert set(dots(picture.waveform_rows([0.0] * 128))) == {2}
    assert set(dots(picture.waveform_rows([0.3]))) == {16}


def test_beats_stand_where_they_fall() -> None:
    row = picture.beat_row([0.0, 1.0, 2.0, 3.0], [0.0, 2.0], 4.0)
    assert row == "▲" + " " * 15 + "╵" + " " * 15 + "▲" + " " * 15 + "╵"


def test_crowded_beats_give_way_to_downbeats_and_these_to_nothing() -> None:
    beats = [0.5 * index for index in range(100)]
    assert picture.beat_row(beats, beats[::4], 50.0) is not None
    assert "╵" not in str(picture.beat_row(beats, beats[::4], 50.0))
    assert picture.beat_row(beats, (), 50.0) is None
    assert picture.beat_row(beats * 4, (beats * 4)[::2], 50.0) is None
    assert picture.beat_row((), (), 1.0) is None


@pytest.mark.parametrize("length", [0.0005, 0.02, 0.3, 1.0, 7.742, 59.9, 61.0, 200.0, 3599.0, 36_000.0, 86_400.0])
def test_the_time_axis_has_some_labels_that_do_not_touch(length: float) -> None:
    axis = picture.time_axis(length)
    assert len(axis) <= picture.CELLS
    labels = re.split(r"\s{2,}", axis.strip())
    assert 2 <= len(labels) <= 8 or length < 0.001
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.02, "0.020 s"),
        (7.7419, "7.742 s"),
        (59.9999, "60.000 s"),
        (61.0, "1:01.0"),
        (182.54, "3:02.5"),
        (3723.4, "1:02:03"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_notes_have_their_octave() -> None:
    assert [note_name(midi) for midi in (0, 59, 60, 69, 127)] == ["C-1", "B3", "C4", "A4", "G9"]


def test_sizes() -> None:
    assert [size(n) for n in (0, 999, 1000, 1_400_000, 2**31)] == ["0 bytes", "999 bytes", "1.0 kB", "1.4 MB", "2.1 GB"]
