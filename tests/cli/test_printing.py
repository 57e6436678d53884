"""Tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.cli import printing
from vasculum.model.description import Finding
from vasculum.model.kinds import Kind

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_json_knows_dataclasses_enumerations_dates_paths_and_arrays() -> None:
    value = {
        "finding": Finding(code="gantry-tilt", text="tilted by 5 degrees"),
        "kind": Kind.VOLUME,
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "path": Path("a") / "b",
        "affine": np.eye(2),
        "n": np.int64(3),
    }
    ready = json.loads(json.dumps(printing.json_ready(value)))
    assert ready == {
        "finding": {"code": "gantry-tilt", "text": "tilted by 5 degrees", "severity": "warning"},
        "kind": "volume",
        "when": "2026-01-02T00:00:00+00:00",
        "path": str(Path("a") / "b"),
        "affine": [[1.0, 0.0], [0.0, 1.0]],
        "n": 3,
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_no_numbers_that_are_not_finite(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    printing.print_json([number])
    assert json.loads(capsys.readouterr().out) == [None]


@given(rows=st.lists(st.tuples(VALUES, VALUES), max_size=5))
def test_csv_reads_back_exactly(rows: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    printing.print_csv(("a", "b"), rows)
    # Bare carriage returns need a reader that does not translate line ends, as RFC 4180 readers do.
    read = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert read[1:] == [list(row) for row in rows]


def test_a_table_holds_markup_and_control_characters_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    printing.print_table(("[bold]", "b"), [("[red]x[/red]", "\x1b[2J")])
    out = capsys.readouterr().out
    assert "[bold]" in out
    assert "[red]x[/red]" in out
    assert "\x1b" not in out


def test_a_table_that_is_not_for_a_terminal_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    printing.print_table(("a",), [(long,)])
    assert long in capsys.readouterr().out


def test_several_values_are_joined_as_in_dicom() -> None:
    assert printing.cell(["ORIGINAL", "PRIMARY", None, 3, Kind.MESH]) == r"ORIGINAL\PRIMARY\\3\mesh"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert printing.byte_size(size) == text


def test_long_lists_are_folded_unless_all_is_asked_for() -> None:
    many = list(range(printing.FOLD + 5))
    assert printing.folded(many, everything=True) == (many, "")
    shown, more = printing.folded(many, everything=False)
    assert (len(shown), "5 more" in more) == (printing.FOLD, True)


def test_an_old_code_page_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="cp1252", errors="strict"))
    printing.say("Ñandú 日本")
    printing.sys.stdout.flush()
    assert raw.getvalue().strip() == "Ñandú \\u65e5\\u672c".encode("cp1252")
