"""Databases for the service's tests: what its rows are for must hold on SQLite and on PostgreSQL."""

from __future__ import annotations

from tests.library.conftest import _model_database, database, database_kind, place, postgres_server
from tests.workers.conftest import misbehaving

__all__ = ["_model_database", "database", "database_kind", "misbehaving", "place", "postgres_server"]
