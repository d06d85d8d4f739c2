"""Which files arguments mean."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samplemind.discovery import audio_files, listed
from samplemind.errors import FileAccessError, OutsideRootsError


def names(root: Path) -> list[str]:
    return [os.path.relpath(str(path), root) for path in audio_files([str(root)])]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges")
def test_what_may_not_be_followed_is_told_and_not_entered(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    make(folder, "kick.wav", "kicks/kick.wav")
    make(outside, "kick.wav")
    for name, target in (("away", outside), ("away.wav", outside / "kick.wav"), ("away.txt", outside / "kick.wav")):
        (folder / name).symlink_to(target)
    every = [folder / name for name in ("away/kick.wav", "away.wav", "kick.wav", "kicks/kick.wav")]
    assert list(audio_files([str(folder)])) == [*map(str, every)]
    found = list(audio_files([str(folder)], follow=lambda path: "away" not in path))
    assert [each for each in found if isinstance(each, str)] == [*map(str, every[2:])]
    refused = [each for each in found if isinstance(each, OutsideRootsError)]
    assert [each.path for each in refused] == [str(folder / "away"), str(folder / "away.wav")]


def test_folders_are_walked_in_order_and_filtered(tmp_path: Path) -> None:
    make(
        tmp_path,
        "b.wav",
        "a/z.MP3",
        "a/notes.txt",
        "a.flac",
        ".hidden.wav",
        ".git/x.wav",
        "a/b/c.opus",
        "wav",
        "c.wav.asd",
    )
    expected = ["a/b/c.opus", "a/z.MP3", "a.flac", "b.wav"]
    assert names(tmp_path) == [os.path.normpath(path) for path in expected]


def test_what_is_named_is_given_as_it_stands(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", "folder/x.wav")
    arguments = [str(tmp_path / "notes.txt"), str(tmp_path / "missing"), str(tmp_path / "notes.txt")]
    assert list(audio_files(arguments)) == arguments


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    make(tmp_path, "root/a/x.wav", "elsewhere/y.wav")
    root = tmp_path / "root"
    (root / "a" / "up").symlink_to(root)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "twice").symlink_to(tmp_path / "elsewhere")
    (root / "self.wav").symlink_to(root / "self.wav")
    (root / "song.wav").symlink_to(tmp_path / "elsewhere" / "y.wav")
    assert names(root) == ["a/x.wav", "linked/y.wav", "self.wav", "song.wav"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="may read everything")
def test_a_folder_that_can_not_be_read_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    make(tmp_path, "a/x.wav", "b/y.wav")
    (tmp_path / "a").chmod(0)
    try:
        refused, found = audio_files([str(tmp_path)])
    finally:
        (tmp_path / "a").chmod(0o700)
    assert isinstance(refused, FileAccessError)
    assert refused.path == str(tmp_path / "a")
    assert str(found).endswith("y.wav")


def test_a_folder_that_goes_away_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    make(tmp_path, "a/x.wav", "b/y.wav", "c/z.wav")
    walk = audio_files([str(tmp_path)])
    assert str(next(walk)).endswith("x.wav")
    (tmp_path / "b" / "y.wav").unlink()
    (tmp_path / "b").rmdir()
    refused, found = walk
    assert isinstance(refused, FileAccessError)
    assert str(found).endswith("z.wav")


@pytest.mark.skipif(os.name == "nt", reason="paths are short there")
def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(sys.getrecursionlimit()):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    make(tmp_path, "e/last.wav")
    (folders[-1] / "deep.wav").touch()
    try:
        assert [os.path.basename(str(path)) for path in audio_files([str(tmp_path)])] == ["deep.wav", "last.wav"]
    finally:  # what pytest removes folders with calls itself
        (folders[-1] / "deep.wav").unlink()
        for folder in reversed(folders[1:]):
            folder.rmdir()


def test_walking_is_lazy(tmp_path: Path) -> None:
    make(tmp_path, "a/x.wav")

    def arguments() -> itertools.chain[str]:
        return itertools.chain([str(tmp_path)], (pytest.fail("read too far") for _ in range(1)))

    assert str(next(audio_files(arguments()))).endswith("x.wav")


def test_lists() -> None:
    assert list(listed([b"a.wav\nb c.wav\r\n\n  d.wav \n"])) == ["a.wav", "b c.wav", "  d.wav "]
    assert list(listed([b"a\nb.wav\0c.wav\0"])) == ["a\nb.wav", "c.wav"]
    assert list(listed([b"\xef\xbb\xbfa.wav\r\n"])) == ["a.wav"], "as Windows writes it"
    assert list(listed([])) == list(listed([b""])) == []
    assert [os.fsencode(path) for path in listed([b"\xff.wav"])] == [b"\xff.wav"]


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfa.wav\r\nb.wav\r\n", b"a.wav\0b.wav\0", b"a.wav\n\nb.wav"])
def test_a_list_may_come_in_any_pieces(text: bytes) -> None:
    for size in range(1, len(text)):
        assert list(listed(text[at : at + size] for at in range(0, len(text), size))) == ["a.wav", "b.wav"]


def test_paths_of_a_list_are_given_as_they_come() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a.wav\nb."
        pytest.fail("more was read than was needed")

    assert next(iter(listed(pieces()))) == "a.wav"
