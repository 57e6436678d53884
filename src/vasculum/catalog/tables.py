"""The tables. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from .values import restored, storable

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Exact(TypeDecorator[str]):
    """Text that comes back exactly, lone surrogates and NUL included."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return None if value is None else storable(value)

    def process_result_value(self, value: str | None, _dialect: Any) -> str | None:
        return None if value is None else restored(value)


class Digest(TypeDecorator[str]):
    """SHA-256 as 32 bytes; hexadecimal outside, empty for none."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, _dialect: Any) -> str | None:
        return None if value is None else bytes(value).hex()


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, Exact, nullable=False, **more)


def _number(name: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, **more)


def _key(name: str = "n") -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _to(name: str, target: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=False, **more)


project = sa.Table(
    "project",
    metadata,
    _key(),
    _text("id", unique=True),
    _text("name", unique=True),
    _text("policy"),
    sa.Column("schema", sa.LargeBinary, nullable=False),
)

subject = sa.Table(
    "subject",
    metadata,
    _key(),
    _text("id", unique=True),
    _to("project_n", "project.n"),
    _text("label"),
    _text("folded"),
    _text("kind"),
    _text("issuer"),
    sa.Column("metadata", sa.LargeBinary, nullable=False),
    sa.Index(None, "project_n", "label"),
    sa.Index(None, "folded"),
)

study = sa.Table(
    "study",
    metadata,
    _key(),
    _text("id", unique=True),
    _to("subject_n", "subject.n", index=True),
    _text("uid", index=True),
    _text("label"),
    _text("date"),
    sa.Column("metadata", sa.LargeBinary, nullable=False),
)

series = sa.Table(
    "series",
    metadata,
    _key(),
    _text("id", unique=True),
    _to("study_n", "study.n", index=True),
    _to("subject_n", "subject.n", index=True),
    _to("project_n", "project.n", index=True),
    _text("uid", index=True),
    _text("label"),
    _text("folded", index=True),
    _text("kind"),
    _text("format"),
    _text("modality"),
    _text("voxel_print"),
    _text("imported"),
    _text("activity"),
    _number("files"),
    _number("size"),
    sa.Index("ix_series_voxel_print", "voxel_print", sqlite_where=sa.text("voxel_print <> ''")),
    sa.Index(None, "size"),
)
"""What pages and filters read. `n` ascends in the order of import."""

record = sa.Table(
    "record",
    metadata,
    sa.Column("n", sa.Integer, sa.ForeignKey("series.n"), primary_key=True, autoincrement=False),
    sa.Column("series", sa.LargeBinary, nullable=False),
    sa.Column("description", sa.LargeBinary, nullable=False),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("differences", sa.LargeBinary, nullable=False),
    sa.Column("posted", sa.LargeBinary, nullable=False),
)
"""The whole of a series: compressed JSON, the header as it came, and which terms it is posted under."""

key = sa.Table("key", metadata, _key("id"), _text("folded", unique=True), _text("name"))
"""Names of fields, each once."""

term = sa.Table(
    "term",
    metadata,
    _key("id"),
    _to("key_id", "key.id"),
    _text("text"),
    _text("folded"),
    sa.Column("number", sa.Float),
    _number("n"),
    sa.UniqueConstraint("key_id", "text"),
    sa.Index(None, "key_id", "folded"),
    sa.Index("ix_term_key_id_number", "key_id", "number", sqlite_where=sa.text("number IS NOT NULL")),
    sa.Index(None, "key_id", "n"),
)
"""Values of fields, each once, and by how many series each is held."""

posting = sa.Table(
    "posting",
    metadata,
    _number("term_id", primary_key=True),
    _number("series_n", primary_key=True),
    _number("key_id"),
    sa.Index(None, "key_id", "series_n"),
    sqlite_with_rowid=False,
)
"""Which series hold which value. No foreign keys: an import writes hundreds a series, and only `postings` writes them."""

span = sa.Table(
    "span",
    metadata,
    _number("key_id", primary_key=True),
    _number("series_n", primary_key=True),
    sa.Column("low", sa.Float, nullable=False),
    sa.Column("high", sa.Float, nullable=False),
    sa.Index(None, "series_n"),
    sqlite_with_rowid=False,
)
"""Least and greatest number of a field that has more values in a series than are posted."""

blob = sa.Table("blob", metadata, sa.Column("sha256", Digest, primary_key=True), _number("size"), _text("location"))

file = sa.Table(
    "file",
    metadata,
    _to("series_n", "series.n", primary_key=True),
    _number("position", primary_key=True),
    _text("name"),
    _text("role"),
    sa.Column("sha256", Digest, nullable=False, index=True),
    _text("source"),
    sqlite_with_rowid=False,
)

instance = sa.Table(
    "instance",
    metadata,
    _text("id", primary_key=True),
    _to("series_n", "series.n", index=True),
    _text("uid", index=True),
    _text("sop_class_uid"),
    _text("file"),
    sa.Column("sha256", Digest, nullable=False),
    _number("version"),
    sqlite_with_rowid=False,
)

source = sa.Table(
    "source",
    metadata,
    _text("path", primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("sha256", Digest, nullable=False),
    sqlite_with_rowid=False,
)

link = sa.Table(
    "link",
    metadata,
    _to("series_n", "series.n", primary_key=True),
    _to("source_n", "series.n", primary_key=True, index=True),
    _text("activity"),
    sqlite_with_rowid=False,
)
"""``series_n`` was derived from ``source_n``."""

activity = sa.Table(
    "activity",
    metadata,
    _text("id", primary_key=True),
    _text("type"),
    _text("started"),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    _key("sequence"),
    _text("time"),
    _text("action"),
    _text("event"),
    _text("agent"),
    _text("objects"),
    _number("outcome"),
    _text("digest"),
)
"""Hash-chained; rows are only ever appended."""
