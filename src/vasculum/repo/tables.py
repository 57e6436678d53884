"""Metadata tables: rows that say which file or which subject has which species, strain, accession …"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vasculum.errors import Invalid
from vasculum.repo.naming import is_prefix, normal, stem


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """A table with a column that names subjects, or files, or both."""

    name: str
    rows: Sequence[Mapping[str, str]]
    subject_column: str
    file_column: str

    @classmethod
    def read(cls, path: Path) -> MetadataTable:
        """Read a CSV, TSV or XLSX table; values stay exactly the strings that the table holds.

        Raises
        ------
        Invalid
            The table has neither a subject nor a file column.
        """
        from vasculum.formats.table import file_column, read_rows, subject_column

        rows = read_rows(path)
        columns = list(rows[0]) if rows else []
        subject, file = subject_column(columns) or "", file_column(columns) or ""
        if not subject and not file:
            raise Invalid(
                f"the table {path.name} has no column that names subjects or files",
                hint="call one column 'subject' or 'file'; it has: " + ", ".join(columns[:12]),
            )
        return cls(path.name, rows, subject, file)

    def label_for_file(self, path: str) -> str:
        """Give the subject that a row names for this file; empty if no row does."""
        if not self.file_column:
            return ""
        whole = path.replace("\\", "/")
        for row in self.rows:
            named = row.get(self.file_column, "").replace("\\", "/").strip("/")
            if named and (whole.endswith("/" + named) or whole == named or stem(named) == stem(whole)):
                return row.get(self.subject_column, "") if self.subject_column else stem(named)
        return ""

    def label_in_path(self, path: str) -> str:
        """Give the subject of the table whose label is a folder of this path or begins its file name; longest first."""
        if not self.subject_column:
            return ""
        *folders, name = path.replace("\\", "/").split("/")
        labels = sorted((r.get(self.subject_column, "") for r in self.rows), key=len, reverse=True)
        for label in labels:
            if label and (is_prefix(label, stem(name)) or any(normal(f) == normal(label) for f in folders)):
                return label
        return ""

    def metadata_of(self, label: str, paths: Sequence[str] = ()) -> dict[str, str]:
        """Give the non-empty fields of the rows about a subject (or, without a subject column, about its files)."""
        found: dict[str, str] = {}
        for row in self.rows:
            if self.subject_column:
                mine = normal(row.get(self.subject_column, "")) == normal(label)
            else:
                mine = any(self.label_for_file(p) == stem(row.get(self.file_column, "")) for p in paths)
            if mine:
                found |= {k: v for k, v in row.items() if v and k not in {self.subject_column, self.file_column}}
        return found
