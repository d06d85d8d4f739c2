"""Names of uploads: whatever a client sends, it is one harmless name."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samplemind.service.names import LONGEST_BYTES, safe_name

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/etc/shadow",
    "C:\\autoexec.bat",
    "\\\\server\\share\\x.wav",
    "....//....//x.wav",
    "..",
    ".",
    "...",
    "",
    " ",
    "~",
    "~root",
    "-rf",
    "--help",
    ".htaccess",
    ".ssh",
    "a\x00.wav",
    "a\nb.wav",
    "a\r\nSet-Cookie: x.wav",
    "a\tb",
    "\x1b[31mred.wav",
    "\x7f.wav",
    "\u202egpj.wav",
    "\u200b.wav",
    "\ufeffx.wav",
    "CON",
    "con.wav",
    "NUL",
    "nul.tar.gz",
    "COM1.wav",
    "LPT9",
    "AUX.flac",
    "PRN",
    "CONIN$",
    "COM¹.wav",
    "x.wav:stream",
    "x.wav::$DATA",
    "x|y.wav",
    "x>y",
    "x<y",
    "x*y.wav",
    "x?y.wav",
    'x"y.wav',
    "$(reboot).wav",
    "`reboot`.wav",
    "; rm -rf /",
    "%2e%2e%2fx.wav",
    "%00.wav",
    "<script>alert(1)</script>.wav",
    "' OR 1=1 --.wav",
    "{{7*7}}.wav",
    "x" * 10_000,
    "ä" * 5_000,
    "x." + "y" * 1_000,
    "a.wav" + " " * 300,
    "trailing.",
    "trailing ",
    "\ud800.wav",
    "e\u0301.wav",
    "🔥.wav",
    "名前.wav",
    "..%c0%af..%c0%afx",
    "a/b/c.wav",
    "file:///etc/passwd",
    "http://example.org/x.wav",
]


def check(name: str) -> None:
    safe = safe_name(name)
    assert safe == os.path.basename(safe)
    assert safe == safe_name(safe)
    assert safe not in ("", ".", "..")
    assert len(safe.encode("utf-8")) <= LONGEST_BYTES
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert not any(unicodedata.category(each).startswith(("C", "Z")) and each != " " for each in safe)
    assert not safe.startswith((".", "-", "~", " "))
    assert not safe.endswith((".", " "))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_harmless(name: str) -> None:
    assert len(HOSTILE) >= 60
    check(name)


@given(st.text(max_size=300))
def test_any_text_becomes_harmless(name: str) -> None:
    check(name)


def test_what_is_harmless_stays() -> None:
    for name in ("Kick 01.wav", "Bass_F#m_128bpm.flac", "Größe (2).wav", "名前.wav", "a.b.c.aiff"):
        assert safe_name(name) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 500 + ".flac").endswith("x.flac")
