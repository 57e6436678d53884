"""Reading what people type: voxel sizes, fields and their values."""

from __future__ import annotations

import json
import re
from typing import Any

from vasculum.errors import Invalid

_MILLIMETRES = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "nm": 1e-6, "cm": 10.0}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?"
_SIZE = re.compile(rf"{_NUMBER}(?:[x×]{_NUMBER}[x×]{_NUMBER})?(mm|um|µm|μm|nm|cm)", re.IGNORECASE)


def parse_voxel_size(text: str) -> tuple[float, float, float]:
    """Read a voxel size: ``0.05mm``, ``50um``, ``0.05x0.05x0.1mm``.

    Returns
    -------
    tuple of float
        Millimetres along (i, j, k): column, row, slice.

    Raises
    ------
    Invalid
        It is no size, has no unit, or is not above zero.
    """
    match = _SIZE.fullmatch("".join(text.split()))
    if match is None:
        raise Invalid(
            f"{text!r} is not a voxel size",
            hint="a number and its unit: 0.05mm, 50um, or 0.05x0.05x0.1mm for (i, j, k)",
        )
    *numbers, unit = match.groups()
    pairs = [(numbers[n], numbers[n + 1]) for n in range(0, 6, 2) if numbers[n] is not None]
    # Divide rather than multiply by 1e-3: 50 / 1000 is the double nearest to 0.05, as a person would write it.
    sizes = [_in_millimetres(float(f"{mantissa}e{exponent or 0}"), unit.lower()) for mantissa, exponent in pairs]
    if min(sizes) <= 0 or max(sizes) == float("inf"):
        raise Invalid(f"the voxel size {text!r} is not a length above zero")
    return (sizes[0], sizes[0], sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2])


def _in_millimetres(number: float, unit: str) -> float:
    factor = _MILLIMETRES[unit]
    return number * factor if factor >= 1 else number / round(1 / factor)


def parse_fields(words: tuple[str, ...]) -> dict[str, Any]:
    """Read ``FIELD=VALUE`` (text, exactly as it is) and ``FIELD:=JSON`` (a number, true, a list ...).

    Raises
    ------
    Invalid
        A word has no ``=``, no name before it, no JSON after ``:=``, or names a field twice.
    """
    fields: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":").strip()
        if not equals or not name:
            raise Invalid(f"{word!r} is not FIELD=VALUE", hint="for example: species='Mus musculus' or weight:=21.5")
        if name in fields:
            raise Invalid(f"the field {name!r} is given twice")
        fields[name] = _parse_json(name, value) if is_json else value
    return fields


def _parse_json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"the value of {name!r} is not JSON", hint=f"for plain text write {name}=VALUE") from error


def parse_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """Split names that were given with commas, repeatedly, or both: ``("a,b", "c")`` → ``("a", "b", "c")``."""
    return tuple(name.strip() for word in words for name in word.split(",") if name.strip())
