from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from vasculum.errors import Unreadable
from vasculum.formats import table
from vasculum.formats.registry import recognise
from vasculum.formats.table import file_column, read_rows, subject_column, write_rows
from vasculum.model.kinds import Kind

STRINGS = (
    "BKS.Cg-Dock7m +/+ Leprdb/J",
    "UWBM:Mamm:0082411",
    "Ñandú",
    "日本",
    "007",
    "1e5",
    "=1+1",
    'say "hi"',
    "a,b;c\td",
    "two\r\nlines",
    " x ",
)
cell = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@given(rows=st.lists(st.tuples(cell, cell, cell).filter(any), min_size=1, max_size=6))
def test_csv_gives_back_exact_strings(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    path = tmp_path / "a.csv"
    written = [dict(zip(("subject", "note", "x"), row, strict=True)) for row in rows]
    write_rows(path, written)
    assert read_rows(path) == written


def test_hard_strings_survive(tmp_path: Path) -> None:
    rows = [{"subject": text, "n": str(n)} for n, text in enumerate(STRINGS)]
    write_rows(tmp_path / "a.csv", rows)
    assert read_rows(tmp_path / "a.csv") == rows
    book = Workbook()
    book.active.append(["subject", "n"])
    for row in rows:
        book.active.append(list(row.values()))
    for row in book.active.iter_rows(min_row=2):
        row[0].data_type = "s"  # text, also where it begins with =
    book.save(tmp_path / "a.xlsx")
    # Excel's XML keeps no carriage returns.
    assert [r["subject"] for r in read_rows(tmp_path / "a.xlsx")] == [s.replace("\r\n", "\n") for s in STRINGS]


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("species;größe\r\nÑandú;1\r\n".encode(), "utf-8"),
        ("species;größe\r\nÑandú;1\r\n".encode("utf-8-sig"), "utf-8"),
        ("species;größe\r\nÑandú;1\r\n".encode("utf-16"), "utf-16"),
        ("species;größe\r\nÑandú;1\r\n".encode("cp1252"), "cp1252"),
    ],
)
def test_encodings_and_delimiters(tmp_path: Path, raw: bytes, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(raw)
    described = recognise(path).describe(path)
    assert described.attributes["table.columns"] == ("species", "größe")
    assert described.attributes["table.encoding"] == (encoding,)
    assert read_rows(path) == [{"species": "Ñandú", "größe": "1"}]


def test_ragged_doubled_and_nameless_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\na,a,,b\n1\n\n1,2,3,4,5\n", encoding="utf-8")
    assert read_rows(path) == [
        {"a": "1", "a (2)": "", "column 3": "", "b": ""},
        {"a": "1", "a (2)": "2", "column 3": "3", "b": "4", "column 5": "5"},
    ]


def test_commas_inside_semicolon_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;size\na;1,5\nb;2,5\n", encoding="utf-8")
    assert read_rows(path) == [{"id": "a", "size": "1,5"}, {"id": "b", "size": "2,5"}]


def test_workbook_cells_as_excel_shows_them(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Ark 1"
    cells = [
        (82411, "0000000", "0082411"),
        (0.5, "0%", "50%"),
        (1.5, "0.00", "1.50"),
        (1234567.891, "#,##0.0", "1,234,567.9"),
        (0.1 + 0.2, "General", "0.3"),
        (3.0, "General", "3"),
        (True, "General", "TRUE"),
        (date(2021, 3, 4), "yyyy-mm-dd", "2021-03-04"),
        (datetime(2021, 3, 4, 5, 6), "yyyy-mm-dd hh:mm", "2021-03-04 05:06:00"),
        (time(13, 42, 15), "hh:mm:ss", "13:42:15"),
        ("007", "General", "007"),
        (-0.25, "0.0", "-0.2"),
    ]
    sheet.append([f"c{n}" for n in range(len(cells))])
    sheet.append([value for value, _, _ in cells])
    for column, (_, form, _) in enumerate(cells, 1):
        sheet.cell(2, column).number_format = form
    book.create_sheet("empty")
    book.save(tmp_path / "a.xlsx")
    assert list(read_rows(tmp_path / "a.xlsx")[0].values()) == [shown for _, _, shown in cells]
    described = recognise(tmp_path / "a.xlsx").describe(tmp_path / "a.xlsx")
    assert described.attributes["table.sheets"] == ("Ark 1", "empty")
    assert described.attributes["table.rows"] == (1,)


def test_real_tables(shared_data: Path) -> None:
    found = {}
    paths = [p for p in sorted(shared_data.rglob("*")) if p.suffix in (".csv", ".tsv", ".xlsx")]
    assert len(paths) == 41
    for path in paths:
        described = recognise(path).describe(path)
        assert described.kind is Kind.TABLE, path.name
        assert described.attributes["table.rows"] == (len(read_rows(path)),), path.name
        found[path.name] = described
    assert found["E15_Mouse_Embryo.csv"].attributes["table.role"] == ("color-table",)
    assert found["ColorTestWithTerminology.csv"].attributes["table.role"] == ("color-table",)
    assert "table.role" not in found["ColorTestMissingName.csv"].attributes
    assert "table.role" not in found["table.csv"].attributes
    assert found["subject_metadata_multisheet_example.xlsx"].attributes["table.sheets"] == ("Ark1", "Sheet1")


@pytest.mark.parametrize(
    "name", ["subject", "Subject ID", "specimen", "PatientID", "participant_id", "Animal-ID", "catalogNumber"]
)
def test_subject_columns(name: str) -> None:
    assert subject_column(["x", name, "file"]) == name


def test_other_columns() -> None:
    assert file_column(["x", "File Name", "subject"]) == "File Name"
    assert (subject_column(["a", "b"]), file_column([])) == ("", "")
    assert subject_column(["specimen", "subject"]) == "subject"


def test_damaged_and_huge_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(Unreadable):
        read_rows(tmp_path / "a.xlsx")
    monkeypatch.setattr(table, "ROWS_MOST", 10)
    (tmp_path / "a.csv").write_text("a\n" + "1\n" * 20)
    with pytest.raises(Unreadable):
        read_rows(tmp_path / "a.csv")


def test_an_empty_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n\n")
    described = recognise(tmp_path / "a.csv").describe(tmp_path / "a.csv")
    assert [f.code for f in described.findings] == ["empty-table"]
