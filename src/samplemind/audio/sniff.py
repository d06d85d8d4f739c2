"""Which container a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from typing import BinaryIO, Final

_MAGIC: Final = (
    (((0, b"fLaC"),), "flac"),
    (((0, b"OggS"),), "ogg"),
    (((0, b"caff"),), "caf"),
    (((0, b".snd"),), "au"),
    (((0, b"riff\x2e\x91\xcf\x11"),), "w64"),
    (((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),), "asf"),
    (((0, b"\x1a\x45\xdf\xa3"),), "matroska"),
    (((0, b"wvpk"),), "wv"),
    (((0, b"MAC "),), "ape"),
    (((0, b"MPCK"),), "mpc8"),
    (((0, b"MP+"),), "mpc"),
    (((0, b"TTA1"),), "tta"),
    (((0, b"tBaK"),), "tak"),
    (((0, b"DSD "),), "dsf"),
    (((0, b"#!AMR"),), "amr"),
    (((4, b"ftyp"),), "mov"),
    (((4, b"moov"),), "mov"),
    (((4, b"mdat"),), "mov"),
    *((((0, form), (8, b"WAVE")), "wav") for form in (b"RIFF", b"RIFX", b"RF64", b"BW64")),
    *((((0, b"FORM"), (8, form)), "aiff") for form in (b"AIFF", b"AIFC")),
)
"""((offset, bytes) …, all of which must be there; FFmpeg's name): the formats' own specifications."""
_TEXTS: Final = {
    b"#extm3u": "a playlist, not audio",
    b"[playlist]": "a playlist, not audio",
    b"ffconcat": "a playlist, not audio",
    b"version https://git-lfs": "a Git LFS pointer; the audio itself has not been fetched",
}
_MOST_TAGS: Final = 8
"""ID3v2 tags in a row that are skipped; files retagged by careless tools have two or three."""


def sniff(file: BinaryIO) -> str | None:
    """Return the container's name and leave `file` at its first byte, behind any ID3v2 tags.

    "ogg vorbis" is one Vorbis stream alone in an Ogg container. MPEG audio streams have no magic number: they
    are "mp3" if an ID3v2 tag comes first. None is what is not recognised.
    """
    tagged = _skip_id3(file)
    start = file.tell()
    head = file.read(64)
    file.seek(start)
    for magic, name in _MAGIC:
        if all(head.startswith(part, offset) for offset, part in magic):
            return "ogg vorbis" if name == "ogg" and _is_plain_vorbis(file, head) else name
    return "mp3" if tagged else None


def describe_text(file: BinaryIO) -> str | None:
    """Say in words what kind of text a file is; None if it is not text."""
    file.seek(0)
    head = file.read(512)
    for start, words in _TEXTS.items():
        if head.lower().startswith(start):
            return words
    # The last character may have been cut in two.
    text = head.decode("utf-8-sig", "replace").removesuffix("\ufffd")
    is_text = all(character.isprintable() or character.isspace() for character in text)
    return "text, not audio" if is_text and "\ufffd" not in text else None


def _skip_id3(file: BinaryIO) -> bool:
    """Move past ID3v2 tags (id3.org, ID3v2.4.0 structure, 3.1 and 3.4); tell whether there was one."""
    position = 0
    for _ in range(_MOST_TAGS):
        file.seek(position)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            break
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        footer = 10 if head[5] & 0x10 else 0
        position += 10 + length + footer
    file.seek(position)
    return position > 0


def _is_plain_vorbis(file: BinaryIO, head: bytes) -> bool:
    """Tell whether an Ogg file holds one Vorbis stream and nothing else, before, beside or after it.

    Every stream begins with a page whose flags are 2 (RFC 3533, 6); libsndfile would decode the first only.
    """
    if head[28:35] != b"\x01vorbis":
        return False
    start, begins, tail = file.tell(), 0, b""
    while part := file.read(1 << 20):
        begins += (tail + part).count(b"OggS\x00\x02")
        tail = part[-5:]
    file.seek(start)
    return begins == 1
