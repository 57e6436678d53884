"""Brings a catalogue to the newest schema, by the migrations that ship inside the package."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from vasculum.errors import Unreadable, VasculumError

from . import dialect

HEAD = "0001"
"""The newest revision; a test compares it with the migrations."""


def revision(connection: sa.Connection) -> str:
    """Give the schema revision of a catalogue; raise Unreadable where there is none."""
    try:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except sa.exc.DatabaseError as error:
        raise Unreadable("this file is not a vasculum catalogue", hint="run vasculum init") from error
    return str(found)


def upgrade(engine: sa.Engine) -> None:
    """Run every migration that the catalogue has not seen."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with dialect.written(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def bring_forward(engine: sa.Engine) -> None:
    """Upgrade an older catalogue.

    Raises
    ------
    Unreadable
        The file is no catalogue.
    VasculumError
        The catalogue was written by a newer vasculum.
    """
    with engine.connect() as connection:
        found = revision(connection)
    if found == HEAD:
        return
    if found > HEAD:
        raise VasculumError("the catalogue was written by a newer vasculum", hint="update vasculum")
    upgrade(engine)
