"""Printing: tables for people, JSON and CSV for programs, remarks on standard error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any

from vasculum.cli.escapes import for_json, for_terminal

WIDE = 10_000
"""Columns where there is no terminal: nothing is cut."""

FOLD = 20
"""Lists longer than this are folded unless --all is given."""


def say(text: str = "") -> None:
    """Print a line for people."""
    _write(for_terminal(text) + "\n")


def remark(text: str) -> None:
    """Print a line on standard error, beside the result."""
    print(for_terminal(text), file=sys.stderr)


def print_json(value: Any) -> None:
    """Print a value as JSON (docs: reference, JSON)."""
    _write(json.dumps(json_ready(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def json_ready(value: Any) -> Any:
    """Turn dataclasses, enumerations, dates, paths and arrays into what JSON knows; numbers that are not finite into null."""
    if isinstance(value, Enum):
        return json_ready(value.value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str):
        return for_json(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Path):
        return for_json(str(value))
    if isinstance(value, Mapping):
        return {for_json(str(name)): json_ready(item) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_ready(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return json_ready(value.tolist())
    if isinstance(value, Iterable):
        return [json_ready(item) for item in value]
    return for_json(str(value))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table as CSV (RFC 4180, UTF-8): every value exactly as it is."""
    for row in (columns, *rows):
        _write(",".join(_quoted(for_json(cell(value))) for value in row) + "\n")


def _quoted(text: str) -> str:
    # Not the csv module: with plain line feeds as line ends, it writes a lone carriage return without quotes.
    return '"' + text.replace('"', '""') + '"' if not text or any(c in text for c in ',"\r\n') else text


def cell(value: Any) -> str:
    """Give a value as text: several are joined by a backslash, as DICOM does; nothing is an empty string."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "\\".join(cell(item) for item in value)
    return str(value.value) if isinstance(value, Enum) else str(value)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    numeric: Sequence[str] = (),
    whole: Sequence[str] = (),
    more: str = "",
) -> None:
    """Print a table that fits the terminal, and an empty line.

    Parameters
    ----------
    columns, rows
        Headings, and a value for each.
    title
        A line above it.
    numeric
        Columns to set flush right.
    whole
        Columns that are never broken: ids, which people copy.
    more
        A line directly below it, about rows that are not shown.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=for_terminal(title) or None, title_justify="left")
    table.title_style = "bold"
    for name in columns:
        table.add_column(
            Text(name), justify="right" if name in numeric else "left", no_wrap=name in whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(for_terminal(cell(value))) for value in row))
    draw(table)
    _write(f"{more}\n\n" if more else "\n")


def draw(drawing: Any) -> None:
    """Print a table or a tree of rich, as wide as the terminal."""
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=Console().width if is_terminal else WIDE)
    console.print(drawing)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    _write("\n".join(lines).strip("\n") + "\n")


def folded(rows: Sequence[Any], *, everything: bool) -> tuple[Sequence[Any], str]:
    """Cut a long list, and say what was cut."""
    if everything or len(rows) <= FOLD:
        return rows, ""
    return rows[:FOLD], f"… and {len(rows) - FOLD:,} more (--all shows them)"


def byte_size(size: int) -> str:
    """Give a number of bytes as people read it: ``1.5 MB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def counted(n: int, one: str, many: str = "") -> str:
    """Give a number with its noun: ``1 file``, ``2 files``, ``3 series``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _write(text: str) -> None:
    """Write to standard output, whatever its encoding can hold."""
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
