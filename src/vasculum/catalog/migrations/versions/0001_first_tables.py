"""The first tables."""

import sqlalchemy as sa
from alembic import op

from vasculum.catalog import dialect, tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("type", tables.Exact(), nullable=False),
        sa.Column("started", tables.Exact(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", tables.Exact(), nullable=False),
        sa.Column("action", tables.Exact(), nullable=False),
        sa.Column("event", tables.Exact(), nullable=False),
        sa.Column("agent", tables.Exact(), nullable=False),
        sa.Column("objects", tables.Exact(), nullable=False),
        sa.Column("outcome", sa.BigInteger(), nullable=False),
        sa.Column("digest", tables.Exact(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
    )
    op.create_table(
        "blob",
        sa.Column("sha256", tables.Digest(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("location", tables.Exact(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob")),
    )
    op.create_table(
        "key",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("folded", tables.Exact(), nullable=False),
        sa.Column("name", tables.Exact(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("folded", name=op.f("uq_key_folded")),
    )
    op.create_table(
        "posting",
        sa.Column("term_id", sa.BigInteger(), nullable=False),
        sa.Column("series_n", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("term_id", "series_n", name=op.f("pk_posting")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_posting_key_id_series_n"), "posting", ["key_id", "series_n"], unique=False)
    op.create_table(
        "project",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("name", tables.Exact(), nullable=False),
        sa.Column("policy", tables.Exact(), nullable=False),
        sa.Column("schema", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_project")),
        sa.UniqueConstraint("id", name=op.f("uq_project_id")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "source",
        sa.Column("path", tables.Exact(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", tables.Digest(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_source")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "span",
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("series_n", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Float(), nullable=False),
        sa.Column("high", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "series_n", name=op.f("pk_span")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_span_series_n"), "span", ["series_n"], unique=False)
    op.create_table(
        "subject",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("project_n", sa.Integer(), nullable=False),
        sa.Column("label", tables.Exact(), nullable=False),
        sa.Column("folded", tables.Exact(), nullable=False),
        sa.Column("kind", tables.Exact(), nullable=False),
        sa.Column("issuer", tables.Exact(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_n"], ["project.n"], name=op.f("fk_subject_project_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_subject")),
        sa.UniqueConstraint("id", name=op.f("uq_subject_id")),
    )
    op.create_index(op.f("ix_subject_folded"), "subject", ["folded"], unique=False)
    op.create_index(op.f("ix_subject_project_n_label"), "subject", ["project_n", "label"], unique=False)
    op.create_table(
        "term",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("text", tables.Exact(), nullable=False),
        sa.Column("folded", tables.Exact(), nullable=False),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["key.id"], name=op.f("fk_term_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_term")),
        sa.UniqueConstraint("key_id", "text", name=op.f("uq_term_key_id_text")),
    )
    op.create_index(op.f("ix_term_key_id_folded"), "term", ["key_id", "folded"], unique=False)
    op.create_index(op.f("ix_term_key_id_n"), "term", ["key_id", "n"], unique=False)
    op.create_index(
        "ix_term_key_id_number",
        "term",
        ["key_id", "number"],
        unique=False,
        sqlite_where=sa.text("number IS NOT NULL"),
    )
    op.create_table(
        "study",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("subject_n", sa.Integer(), nullable=False),
        sa.Column("uid", tables.Exact(), nullable=False),
        sa.Column("label", tables.Exact(), nullable=False),
        sa.Column("date", tables.Exact(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_n"], ["subject.n"], name=op.f("fk_study_subject_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_study")),
        sa.UniqueConstraint("id", name=op.f("uq_study_id")),
    )
    op.create_index(op.f("ix_study_subject_n"), "study", ["subject_n"], unique=False)
    op.create_index(op.f("ix_study_uid"), "study", ["uid"], unique=False)
    op.create_table(
        "series",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("study_n", sa.Integer(), nullable=False),
        sa.Column("subject_n", sa.Integer(), nullable=False),
        sa.Column("project_n", sa.Integer(), nullable=False),
        sa.Column("uid", tables.Exact(), nullable=False),
        sa.Column("label", tables.Exact(), nullable=False),
        sa.Column("folded", tables.Exact(), nullable=False),
        sa.Column("kind", tables.Exact(), nullable=False),
        sa.Column("format", tables.Exact(), nullable=False),
        sa.Column("modality", tables.Exact(), nullable=False),
        sa.Column("voxel_print", tables.Exact(), nullable=False),
        sa.Column("imported", tables.Exact(), nullable=False),
        sa.Column("activity", tables.Exact(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_n"], ["project.n"], name=op.f("fk_series_project_n")),
        sa.ForeignKeyConstraint(["study_n"], ["study.n"], name=op.f("fk_series_study_n")),
        sa.ForeignKeyConstraint(["subject_n"], ["subject.n"], name=op.f("fk_series_subject_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_series")),
        sa.UniqueConstraint("id", name=op.f("uq_series_id")),
    )
    op.create_index(op.f("ix_series_folded"), "series", ["folded"], unique=False)
    op.create_index(op.f("ix_series_project_n"), "series", ["project_n"], unique=False)
    op.create_index(op.f("ix_series_size"), "series", ["size"], unique=False)
    op.create_index(op.f("ix_series_study_n"), "series", ["study_n"], unique=False)
    op.create_index(op.f("ix_series_subject_n"), "series", ["subject_n"], unique=False)
    op.create_index(op.f("ix_series_uid"), "series", ["uid"], unique=False)
    op.create_index(
        "ix_series_voxel_print", "series", ["voxel_print"], unique=False, sqlite_where=sa.text("voxel_print <> ''")
    )
    op.create_table(
        "file",
        sa.Column("series_n", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", tables.Exact(), nullable=False),
        sa.Column("role", tables.Exact(), nullable=False),
        sa.Column("sha256", tables.Digest(), nullable=False),
        sa.Column("source", tables.Exact(), nullable=False),
        sa.ForeignKeyConstraint(["series_n"], ["series.n"], name=op.f("fk_file_series_n")),
        sa.PrimaryKeyConstraint("series_n", "position", name=op.f("pk_file")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_file_sha256"), "file", ["sha256"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", tables.Exact(), nullable=False),
        sa.Column("series_n", sa.Integer(), nullable=False),
        sa.Column("uid", tables.Exact(), nullable=False),
        sa.Column("sop_class_uid", tables.Exact(), nullable=False),
        sa.Column("file", tables.Exact(), nullable=False),
        sa.Column("sha256", tables.Digest(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["series_n"], ["series.n"], name=op.f("fk_instance_series_n")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_instance_series_n"), "instance", ["series_n"], unique=False)
    op.create_index(op.f("ix_instance_uid"), "instance", ["uid"], unique=False)
    op.create_table(
        "link",
        sa.Column("series_n", sa.Integer(), nullable=False),
        sa.Column("source_n", sa.Integer(), nullable=False),
        sa.Column("activity", tables.Exact(), nullable=False),
        sa.ForeignKeyConstraint(["series_n"], ["series.n"], name=op.f("fk_link_series_n")),
        sa.ForeignKeyConstraint(["source_n"], ["series.n"], name=op.f("fk_link_source_n")),
        sa.PrimaryKeyConstraint("series_n", "source_n", name=op.f("pk_link")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_link_source_n"), "link", ["source_n"], unique=False)
    op.create_table(
        "record",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("series", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("differences", sa.LargeBinary(), nullable=False),
        sa.Column("posted", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["n"], ["series.n"], name=op.f("fk_record_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_record")),
    )
    op.execute(dialect.WORDS_TABLE)
