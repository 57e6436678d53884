"""Where SQLite and PostgreSQL differ. Everything else in the catalogue is SQLAlchemy Core and runs on both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from vasculum.errors import Unavailable

from .values import storable

PAGE_CACHE_KIB = 65_536
MEMORY_MAP_BYTES = 1 << 30
BUSY_MILLISECONDS = 30_000

WORDS_TABLE = 'CREATE VIRTUAL TABLE words USING fts5(body, columnsize=0, tokenize="unicode61 remove_diacritics 2")'

_SPREAD = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff])")
_PHRASE = re.compile(r'"([^"]*)"(\*?)|(\S+)')


def engine(path: Path) -> sa.Engine:
    """Open a SQLite file. Statements commit by themselves; `Writer` brackets its own."""
    made = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": BUSY_MILLISECONDS / 1000},
    )
    event.listen(made, "connect", _prepare)
    return made


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{PAGE_CACHE_KIB}",
        f"mmap_size={MEMORY_MAP_BYTES}",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def written(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Bracket the one writing transaction; another writer is waited for, up to the busy timeout."""
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
        except sa.exc.OperationalError as error:
            raise Unavailable(_plight(error), hint="nothing was written; try again") from error


def _roll_back(connection: sa.Connection) -> None:
    with suppress(sa.exc.OperationalError):  # SQLite rolls back by itself on a full disk
        connection.exec_driver_sql("ROLLBACK")


def _plight(error: sa.exc.OperationalError) -> str:
    said = str(error.orig)
    if "locked" in said or "busy" in said:
        return "another process is writing to the catalogue"
    if "full" in said:
        return "the disk of the catalogue is full"
    return "the catalogue cannot be written"


def spread(text: str) -> str:
    """Set CJK characters apart, so that each is a word and a run of them is a phrase (unicode61 makes one word of a run)."""
    return text if text.isascii() else _SPREAD.sub(r" \1 ", text)


def match_expression(words: str) -> str:
    """Turn words and ``"phrases"`` into an FTS5 expression that wants all of them; empty if nothing in them is a word."""
    wanted = []
    for phrase, phrase_star, word in _PHRASE.findall(words):
        text = phrase or word
        star = phrase_star or ("*" if word.endswith("*") else "")
        text = spread(text.rstrip("*")).replace('"', " ")
        if any(character.isalnum() for character in text):
            wanted.append(f'"{text}"{star}')
    return " AND ".join(wanted)


def words_matching(expression: str) -> sa.TextualSelect:
    """Select ``n`` of the series whose words match an FTS5 expression."""
    statement = sa.text("SELECT rowid AS n FROM words WHERE words MATCH :expression")
    bound: sa.BindParameter[str] = sa.bindparam(
        "expression", expression, unique=True
    )  # a query may search for words more than once
    return statement.bindparams(bound).columns(sa.column("n", sa.Integer))


def put_words(connection: sa.Connection, rows: Sequence[tuple[int, str]], replaced: Iterable[int]) -> None:
    """Index the words of series; those in `replaced` were indexed before."""
    old = [(n,) for n in replaced]
    if old:
        connection.exec_driver_sql("DELETE FROM words WHERE rowid = ?", old)
    if rows:
        connection.exec_driver_sql("INSERT INTO words (rowid, body) VALUES (?, ?)", list(rows))


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows of the same columns.

    Goes to the driver as it is: an import writes hundreds of rows a series, and half of the time was spent on making
    parameters of dictionaries.
    """
    if not rows:
        return
    columns = [table.c[name] for name in rows[0]]
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    bound = [column.type.bind_processor(connection.dialect) for column in columns]
    parameters = [
        tuple(value if bind is None else bind(value) for bind, value in zip(bound, row.values(), strict=True))
        for row in rows
    ]
    connection.exec_driver_sql(statement, parameters)


def term_ids(connection: sa.Connection, pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Give the ids of those ``(key, text)`` that are there; one prepared statement, since most of many are new."""
    cursor = connection.connection.cursor()
    found = {}
    for key, text in pairs:
        cursor.execute("SELECT id FROM term WHERE key_id = ? AND text = ?", (key, storable(text)))
        row = cursor.fetchone()
        if row is not None:
            found[key, text] = row[0]
    cursor.close()
    return found


def put_postings(connection: sa.Connection, rows: Sequence[tuple[int, int, int]]) -> None:
    """Insert ``(term, series, key)`` rows."""
    if rows:
        connection.exec_driver_sql("INSERT INTO posting (term_id, series_n, key_id) VALUES (?, ?, ?)", list(rows))


def first_fault(connection: sa.Connection) -> str:
    """Let the database check itself (SQLite ``integrity_check``); empty if it is sound."""
    said = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
    return "" if said == "ok" else f"the catalogue is damaged: {said}"
