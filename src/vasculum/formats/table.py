"""Tables: CSV and TSV in whatever encoding and with whatever delimiter, and Excel workbooks (.xlsx)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vasculum.errors import Unreadable
from vasculum.formats.archive import refuse_bombs
from vasculum.formats.base import Head
from vasculum.formats.text import decode, looks_like_text, read_bytes
from vasculum.formats.writing import replacing
from vasculum.formats.zip_head import LOCAL_HEADER, is_workbook
from vasculum.model.description import Description, Finding, Part, Value
from vasculum.model.kinds import Kind, Severity

ROWS_MOST = 1_000_000
"""Rows that are read of one table."""

COLUMNS_MOST = 4096

_XLSX_BYTES = 64 * 1024 * 1024
_ENDINGS = (".csv", ".tsv", ".tab")
_DELIMITERS = ",;\t|"
_SUBJECT_COLUMNS = (
    *("subjectid", "subject", "subjectlabel", "participantid", "participant", "patientid", "patient"),
    *(
        "specimenid",
        "specimen",
        "specimennumber",
        "animalid",
        "animal",
        "mouseid",
        "catalognumber",
        "cataloguenumber",
    ),
    *("accession", "accessionnumber", "sampleid", "sample", "case", "caseid", "individual"),
)
_FILE_COLUMNS = (
    *("file", "filename", "filepath", "path", "image", "imagefile", "imagepath", "scan", "scanfile", "volume"),
    *("volumefile", "imagename", "scanname"),
)


@dataclass(frozen=True, slots=True)
class DelimitedText:
    """CSV and TSV."""

    name: str = "csv"

    def recognises(self, head: Head) -> bool:
        """By name, where the content is text; text alone does not tell."""
        return head.suffixes.endswith(_ENDINGS) and looks_like_text(head.start)

    def describe(self, path: Path) -> Description:
        """Give the columns and the number of rows."""
        text, encoding = decode(read_bytes(path))
        delimiter = _delimiter(text, path)
        columns, count = _columns_and_count(_delimited(text, delimiter))
        attributes: dict[str, tuple[Value, ...]] = {
            "table.encoding": (encoding,),
            "table.delimiter": ({"\t": "tab"}.get(delimiter, delimiter),),
        }
        return _described(self.name, path, columns, count, attributes)


@dataclass(frozen=True, slots=True)
class Workbook:
    """Excel workbooks."""

    name: str = "xlsx"

    def recognises(self, head: Head) -> bool:
        """A zip with a workbook in it."""
        if not head.start.startswith(LOCAL_HEADER):
            return False
        return head.suffixes.endswith((".xlsx", ".xlsm")) or is_workbook(head.start)

    def describe(self, path: Path) -> Description:
        """Give the sheets, and columns and rows of the first one that is not empty."""
        sheets = read_sheets(path)
        named = next(((name, rows) for name, rows in sheets.items() if rows), ("", []))
        columns, count = _columns_and_count(iter(named[1]))
        attributes: dict[str, tuple[Value, ...]] = {"table.sheets": tuple(sheets), "table.sheet": (named[0],)}
        return _described(self.name, path, columns, count, attributes)


FORMATS = (DelimitedText(), Workbook())


def read_rows(path: Path, sheet: str = "") -> list[dict[str, str]]:
    """Read a table as exact strings; no number or date is guessed.

    Parameters
    ----------
    path
        CSV, TSV or XLSX. Of a workbook, numbers are given as Excel shows them.
    sheet
        Sheet of a workbook; the first one that is not empty by default.

    Returns
    -------
    list
        One mapping a row, by the names in the first row that is not empty. A repeated name gets `` (2)``; a cell
        without a name gets ``column 7``. Empty rows are left out.

    Raises
    ------
    Unreadable
        The table is damaged or larger than its limits.
    """
    with path.open("rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
    if zipped:
        sheets = read_sheets(path)
        rows = iter(sheets.get(sheet, []) if sheet else next((r for r in sheets.values() if r), []))
    else:
        text, _ = decode(read_bytes(path))
        rows = _delimited(text, _delimiter(text, path))
    filled = (row for row in rows if any(row))
    columns = _unique(next(filled, []))
    return [_named(columns, row) for row in filled]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write CSV (RFC 4180, UTF-8) that reads back exactly; columns in order of first appearance by default."""
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        cells = ["" if row.get(name) is None else str(row[name]) for name in names]
        if len(cells) == 1 and not cells[0]:
            out.write('""\r\n')  # an empty line would be no row at all
        else:
            writer.writerow(cells)
    with replacing(path) as stream:
        stream.write(out.getvalue().encode("utf-8", "surrogateescape"))


def subject_column(columns: Sequence[str]) -> str:
    """Find the column that names the subject (``subject``, ``PatientID``, ``participant_id`` ...), or empty."""
    return _find(columns, _SUBJECT_COLUMNS)


def file_column(columns: Sequence[str]) -> str:
    """Find the column that names a file (``file``, ``filename``, ``path`` ...), or empty."""
    return _find(columns, _FILE_COLUMNS)


def is_color_table(columns: Sequence[str]) -> bool:
    """Say whether the columns are those of a Slicer colour table with label values and names."""
    return {"labelvalue", "name", "color_r", "color_g", "color_b"} <= {c.strip().lower() for c in columns}


def read_sheets(path: Path) -> dict[str, list[list[str]]]:
    """Read every sheet of a workbook as text, as Excel shows it.

    Raises
    ------
    Unreadable
        Not a workbook, damaged, or too large when unpacked.
    """
    from openpyxl import load_workbook

    refuse_bombs(path, _XLSX_BYTES * 4)
    try:
        book = load_workbook(io.BytesIO(read_bytes(path, _XLSX_BYTES)), read_only=True, data_only=True)
        return {sheet.title: _sheet_rows(sheet) for sheet in book.worksheets}
    except Unreadable:
        raise
    except Exception:
        # openpyxl lets through whatever its XML and zip readers raise: KeyError, BadZipFile, ParseError, ValueError ...
        raise Unreadable("the workbook is damaged") from None


def _sheet_rows(sheet: Any) -> list[list[str]]:
    # Declared dimensions may be wrong (or a lie); count what is there.
    sheet.reset_dimensions()
    rows = []
    for cells in islice(sheet.iter_rows(max_col=COLUMNS_MOST), ROWS_MOST):
        row = [_shown(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        rows.append(row)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _shown(cell: Any) -> str:
    """Give a cell as Excel shows it, for the common number formats; others with all their digits."""
    value, form = cell.value, getattr(cell, "number_format", "General") or "General"
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if hasattr(value, "isoformat"):
        return _shown_date(value)
    if not isinstance(value, (int, float)):
        return str(value)
    plain = form.split(";")[0]
    whole, point, decimals = plain.rstrip("%").partition(".")
    if whole and set(whole) <= set("0#,") and set(decimals) <= {"0"} and "0" in whole:
        scaled = value * 100 if plain.endswith("%") else value
        digits = f"{scaled:{',' if ',' in whole else ''}.{len(decimals)}f}"
        sign, bare = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
        width = whole.count("0") + (len(decimals) + 1 if point and decimals else 0)
        return f"{sign}{bare.rjust(width, '0')}{'%' if plain.endswith('%') else ''}"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.15g}"


def _shown_date(value: Any) -> str:
    text: str = value.isoformat(sep=" ") if hasattr(value, "hour") and hasattr(value, "year") else value.isoformat()
    return text.removesuffix(" 00:00:00")


def _described(
    name: str, path: Path, columns: list[str], count: int, attributes: Mapping[str, tuple[Value, ...]]
) -> Description:
    findings: tuple[Finding, ...] = ()
    if not columns:
        findings = (Finding(code="empty-table", text="the table has no rows", severity=Severity.NOTE),)
    role: dict[str, tuple[Value, ...]] = {"table.role": ("color-table",)} if is_color_table(columns) else {}
    return Description(
        format=name,
        kind=Kind.TABLE,
        parts=(Part(name=path.name),),
        title=path.stem,
        attributes={"table.columns": tuple(columns), "table.rows": (count,), **role, **attributes},
        findings=findings,
    )


def _columns_and_count(rows: Iterator[list[str]]) -> tuple[list[str], int]:
    filled = (row for row in rows if any(row))
    columns = _unique(next(filled, []))
    return columns, sum(1 for _ in filled)


def _delimited(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for number, row in enumerate(reader):
            if number > ROWS_MOST or len(row) > COLUMNS_MOST:
                raise Unreadable(f"the table has more than {ROWS_MOST} rows or {COLUMNS_MOST} columns")
            yield row
    except csv.Error:
        raise Unreadable("the table cannot be split into cells") from None


def _delimiter(text: str, path: Path) -> str:
    """Take the delimiter that splits the first rows into the same number (more than one) of cells."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    best, delimiter = (0, 0), ","
    for candidate in _DELIMITERS:
        reader = csv.reader(io.StringIO(text[:65536], newline=""), delimiter=candidate)
        try:
            widths = [len(row) for row in islice(reader, 20) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        score = (sum(w == widths[0] for w in widths), widths[0])
        if score > best:
            best, delimiter = score, candidate
    return delimiter


def _unique(header: Sequence[str]) -> list[str]:
    columns: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip() or f"column {number}"
        unique, copy = name, 2
        while unique in columns:
            unique, copy = f"{name} ({copy})", copy + 1
        columns.append(unique)
    return columns


def _named(columns: list[str], row: list[str]) -> dict[str, str]:
    named = {name: row[n] if n < len(row) else "" for n, name in enumerate(columns)}
    extra = {f"column {n + 1}": row[n] for n in range(len(columns), len(row)) if row[n]}
    return named | extra


def _find(columns: Sequence[str], wanted: Sequence[str]) -> str:
    plain = {"".join(c for c in column.lower() if c.isalnum()): column for column in reversed(columns)}
    return next((plain[word] for word in wanted if word in plain), "")
