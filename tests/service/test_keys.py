"""Keys and sign-ins: what is kept of them opens nothing, and what was revoked opens nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from samplemind.errors import LibraryValueError, NotInLibraryError
from samplemind.library.database import Database
from samplemind.library.model import Key, SignIn
from samplemind.service import keys
from samplemind.service.identity import Caller, Scope

NOW = 1_700_000_000.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "library.db")
    yield database
    database.close()


def make(database: Database, scope: Scope = Scope.WRITE, name: str = "laptop") -> keys.NewKey:
    with database.writing() as session:
        return keys.create(session, name, scope, NOW)


def caller(database: Database, text: str) -> Caller | None:
    with database.reading() as session:
        return keys.caller_of_key(session, text)


@pytest.mark.parametrize("scope", Scope)
def test_a_key_names_its_caller(database: Database, scope: Scope) -> None:
    key = make(database, scope)
    assert caller(database, key.text) == Caller(key.id, scope)


def test_scopes_include_those_below() -> None:
    covered = {(one, other) for one in Scope for other in Scope if one.covers(other)}
    assert covered == {
        (Scope.READ, Scope.READ),
        (Scope.WRITE, Scope.READ),
        (Scope.WRITE, Scope.WRITE),
        (Scope.ADMIN, Scope.READ),
        (Scope.ADMIN, Scope.WRITE),
        (Scope.ADMIN, Scope.ADMIN),
    }


def test_nothing_else_is_a_key(database: Database) -> None:
    one, other = make(database), make(database)
    secret = one.text[len(f"sm_{one.id}_") :]
    wrong = "A" if one.text[-5] != "A" else "B"
    others = [
        "",
        "sm_",
        one.text[:-1],
        one.text + "x",
        one.text[:-5] + wrong + one.text[-4:],
        one.text.replace(one.id, other.id),
        one.text.upper(),
        f" {one.text}",
        f"{one.text}\n",
        secret,
        one.id,
        "sm_" + "0" * 12 + "_" + "A" * 43,
        "\u017fm" + one.text[2:],
    ]
    assert [caller(database, text) for text in others] == [None] * len(others)


def test_only_a_digest_is_kept(database: Database) -> None:
    key = make(database)
    database.close()
    assert database.path is not None
    secret = key.text[len(f"sm_{key.id}_") :]
    assert len(secret) == 43
    for file in database.path.parent.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_a_revoked_key_and_its_cookies_open_nothing(database: Database) -> None:
    key, other = make(database), make(database, name="other")
    with database.writing() as session:
        cookie = keys.sign_in(session, Caller(key.id, Scope.WRITE), NOW)
        kept = keys.sign_in(session, Caller(other.id, Scope.WRITE), NOW)
    with database.writing() as session:
        keys.revoke(session, key.id, NOW + 1)
    assert caller(database, key.text) is None
    with database.reading() as session:
        assert keys.caller_of_cookie(session, cookie, NOW) is None
        assert keys.caller_of_cookie(session, kept, NOW) == Caller(other.id, Scope.WRITE)
        assert {each.id: each.revoked_at for each in keys.listed(session)} == {key.id: NOW + 1, other.id: None}
    with database.writing() as session, pytest.raises(NotInLibraryError):
        keys.revoke(session, key.id, NOW + 2)


def test_a_cookie_ends(database: Database) -> None:
    key = make(database)
    with database.writing() as session:
        cookie = keys.sign_in(session, Caller(key.id, Scope.WRITE), NOW)
    with database.reading() as session:
        assert keys.caller_of_cookie(session, cookie, NOW + keys.SIGN_IN_S - 1) == Caller(key.id, Scope.WRITE)
        assert keys.caller_of_cookie(session, cookie, NOW + keys.SIGN_IN_S + 1) is None
        assert keys.caller_of_cookie(session, cookie[:-1], NOW) is None
        assert keys.caller_of_cookie(session, "", NOW) is None
    with database.writing() as session:  # the next to sign in takes it away
        keys.sign_in(session, Caller(key.id, Scope.WRITE), NOW + keys.SIGN_IN_S + 1)
        assert len(session.scalars(select(SignIn)).all()) == 1


def test_signing_out_forgets_the_cookie(database: Database) -> None:
    key = make(database)
    with database.writing() as session:
        cookie = keys.sign_in(session, Caller(key.id, Scope.WRITE), NOW)
    with database.writing() as session:
        keys.sign_out(session, cookie)
    with database.reading() as session:
        assert keys.caller_of_cookie(session, cookie, NOW) is None
        assert session.scalars(select(SignIn)).all() == []


def test_whether_anybody_has_a_key(database: Database) -> None:
    with database.reading() as session:
        assert not keys.any_valid(session)
    key = make(database)
    with database.reading() as session:
        assert keys.any_valid(session)
    with database.writing() as session:
        keys.revoke(session, key.id, NOW)
    with database.reading() as session:
        assert not keys.any_valid(session)


def test_names_are_labels(database: Database) -> None:
    make(database, name="  Studio   PC ")
    with database.reading() as session:
        assert session.scalars(select(Key.name)).all() == ["studio pc"]
    with pytest.raises(LibraryValueError):
        make(database, name="---")
