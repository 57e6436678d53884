"""The file: created, opened, migrated, refused; and the audit chain in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import vasculum.catalog
from vasculum.catalog import Catalog, migrate, tables
from vasculum.errors import Conflict, Invalid, NotFound, Unreadable, VasculumError

from .samples import NOW, put, put_subject, record


def test_migrations_and_tables_agree(blank: Path) -> None:
    with sa.create_engine(f"sqlite:///{blank}").connect() as connection:
        own = {"include_name": lambda name, kind, _: not (kind == "table" and name.startswith("words"))}
        assert compare_metadata(MigrationContext.configure(connection, opts=own), tables.metadata) == []
    config = Config()
    config.set_main_option("script_location", str(Path(vasculum.catalog.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_the_file_is_durable_and_checked(blank: Path) -> None:
    with Catalog.open(blank) as catalog, catalog._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_create_refuses_what_is_there(blank: Path) -> None:
    with pytest.raises(Conflict):
        Catalog.create(blank)


def test_open_refuses_what_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Catalog.open(tmp_path / "none")
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(Unreadable):
        Catalog.open(other)
    noise = tmp_path / "noise"
    noise.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(Unreadable):
        Catalog.open(noise)


def test_open_refuses_a_newer_schema(catalog: Catalog, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("*.sqlite")
    with catalog._engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(VasculumError, match="newer"):
        Catalog.open(path)


def test_the_audit_chain_shows_a_change(catalog: Catalog) -> None:
    with catalog.transaction() as writer:
        put_subject(writer)
        put(writer, record("a"))
        first = writer.audit("C", "Data Import", "Dr. Ñ", ["a", "b"], NOW)
        writer.audit("R", "Data Export", "Dr. Ñ", [], NOW, outcome=4)
    assert catalog.audit()[0] == first and len(first.digest) == 64
    assert [event.sequence for event in catalog.audit(since=1)] == [2]
    assert catalog.verify_audit() == ""
    with catalog._engine.connect() as connection:
        connection.exec_driver_sql("UPDATE audit SET agent = 'someone else' WHERE sequence = 1")
    assert catalog.verify_audit() == "audit row 1 was changed"
    with catalog._engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE sequence = 1")
    assert catalog.verify_audit() == "audit row 1 is missing"
    with pytest.raises(Invalid), catalog.transaction() as writer:
        writer.audit("X", "Nonsense", "me", [], NOW)
