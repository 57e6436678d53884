"""Brings a catalogue to the newest schema, by the migrations that ship inside the package."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from vasculum.errors import Unavailable, Unreadable, VasculumError

from . import dialect

HEAD = "0001"
"""The newest revision; a test compares it with the migrations."""


def revision(engine: sa.Engine) -> str:
    """Give the schema revision of a catalogue; raise Unreadable where there is none."""
    try:
        with engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    except sa.exc.DatabaseError as error:
        if isinstance(error, sa.exc.OperationalError) and "no such table" not in str(error.orig):
            raise Unavailable(
                "the catalogue cannot be opened", hint="is the disk full, or another process busy?"
            ) from error
        raise Unreadable("this file is not a vasculum catalogue", hint="run vasculum init") from error


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
    found = revision(engine)
    if found == HEAD:
        return
    if found > HEAD:
        raise VasculumError("the catalogue was written by a newer vasculum", hint="update vasculum")
    upgrade(engine)
