"""Links: a service follows those that stay in the folders that its operator allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from samplemind.errors import OutsideRootsError
from samplemind.library.folders import is_below

_REASON: Final = "it is a link, or below one, that leads out of the folders that are allowed"


def staying(roots: Iterable[Path]) -> Callable[[str], bool]:
    """Whether what is at a path really is in one of these folders."""
    real = [os.path.realpath(root) for root in roots]
    return lambda path: any(is_below(os.path.realpath(path), root) for root in real)


def real_path(path: str, root: str, roots: Iterable[Path]) -> Path:
    """Where a file of the library really is, to be opened there: that a link is exchanged meanwhile changes nothing.

    Args:
        path: of the file, as the library has it.
        root: the folder of the library that it is below. What the operator allows nobody to scan was scanned by the
            operator, and may lead where it likes within that folder.
        roots: that the operator allows.

    Raises:
        OutsideRootsError: it leads out of all of them.
    """
    roots = [*roots]
    allowed = [os.path.realpath(each) for each in roots]
    if not any(is_below(path, each) for each in [*allowed, *map(os.path.abspath, roots)]):
        allowed.append(os.path.realpath(root))
    real = os.path.realpath(path)
    if not any(is_below(real, each) for each in allowed):
        raise OutsideRootsError(path, _REASON)
    return Path(real)
