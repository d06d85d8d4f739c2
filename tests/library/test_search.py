"""Search: what each term finds, in which order, page by page, whichever way the entries are found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from samplemind.errors import CursorError, NotInLibraryError, QueryError
from samplemind.library import collections, corrections, entries, search as module, tags
from samplemind.library.database import Database
from samplemind.library.model import Audio, Collection, File
from samplemind.library.query import parse
from samplemind.library.search import MOST, Page, search
from tests.library.builders import NOW, add_file, digest, make_root, make_sound
from tests.library.conftest import Statements
