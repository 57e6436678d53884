"""Data elements as we write them: numbers, texts and codes that fit their value representation (PS3.5 section 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vasculum.errors import Invalid
from vasculum.model.codes import Code

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TEXT_BYTES = {"SH": 16, "LO": 64, "PN": 64, "CS": 16, "ST": 1024, "LT": 10240}
"""Longest value of each text representation. The standard counts characters, validators count bytes: bytes are safe."""

_WRITTEN_AS_TEXT = ("DS", "IS", "PN", "UI", "DA", "TM", "DT", "AS")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_BREAKS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def decimal_string(number: float) -> str:
    """Write a number as DS: ten significant digits, at most 16 characters.

    Raises
    ------
    Invalid
        The number is not finite.
    """
    value = float(number)
    if value != value or value in (float("inf"), float("-inf")):
        raise Invalid("a number of the geometry or the header is not finite")
    if abs(value) < 1e-12:
        return "0"
    return f"{value:.10g}"


def decimal_strings(numbers: Iterable[float]) -> list[str]:
    """Write numbers as DS."""
    return [decimal_string(n) for n in numbers]


def fit_text(vr: str, text: str) -> str:
    """Give the text as it may stand in an element of that representation, or the nearest thing to it.

    Text that fits comes back unchanged. A backslash separates values in SH, LO, PN, CS and UC, so there it becomes a
    slash; control characters become spaces; what is too long is cut at a whole character. The exact text is in the
    record (private UT element) in every case.
    """
    long = vr in ("ST", "LT", "UT")
    fitted = _CONTROL_BUT_BREAKS.sub(" ", text) if long else _CONTROL.sub(" ", text.replace("\\", "/"))
    encoded = fitted.encode("utf-8", "replace")
    return encoded[: TEXT_BYTES.get(vr, len(encoded))].decode("utf-8", "ignore").rstrip(" ")


def fits(vr: str, text: str) -> bool:
    """True where the text can be stored in that representation and read back as it is."""
    return fit_text(vr, text) == text and text == text.strip()


def code_item(code: Code) -> Dataset:
    """Make an item of a Code Sequence (PS3.3 table 8.8-1)."""
    from pydicom.dataset import Dataset

    item = Dataset()
    if code.value.startswith(("urn:", "http:", "https:")):
        item.URNCodeValue = code.value
    elif len(code.value.encode()) <= TEXT_BYTES["SH"]:
        item.CodeValue = fit_text("SH", code.value)
    else:
        item.LongCodeValue = fit_text("UC", code.value)
    item.CodingSchemeDesignator = fit_text("SH", code.scheme)
    item.CodeMeaning = fit_text("LO", code.meaning) or code.value[:64]
    return item


def item(**values: Any) -> Dataset:
    """Make a sequence item from keywords and values; None leaves the keyword out."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def require_valid(ds: Dataset) -> None:
    """Check every value against its representation.

    Raises
    ------
    Invalid
        With the keyword of the element, never with its value.
    """
    for keyword in invalid_elements(ds):
        raise Invalid(f"the value of {keyword} is not valid in DICOM")


def invalid_elements(ds: Dataset) -> list[str]:
    """Name the elements, at any depth, whose values break their representation (PS3.5 table 6.2-1)."""
    return [_keyword(element) for element in ds.iterall() if not _is_valid(element)]


def drop_invalid(ds: Dataset) -> list[str]:
    """Remove the elements that a strict writer may not write, at any depth; give their keywords.

    A DS that is only too long is shortened instead.
    """
    dropped = []
    for element in list(ds):
        if element.VR == "SQ":
            for entry in element.value:
                dropped += drop_invalid(entry)
        elif not _is_valid(element) and not _shorten(element):
            dropped.append(_keyword(element))
            del ds[element.tag]
    return dropped


def _shorten(element: Any) -> bool:
    if element.VR != "DS":
        return False
    values = element.value if element.VM > 1 else [element.value]
    try:
        element.value = decimal_strings(float(v) for v in values)
    except (TypeError, ValueError):
        return False
    return _is_valid(element)


def _is_valid(element: Any) -> bool:
    from pydicom import config
    from pydicom.valuerep import validate_value

    if element.VR in ("SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN") or element.is_empty:
        return True
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            written = getattr(value, "original_string", None) or value
            if element.VR in _WRITTEN_AS_TEXT:
                written = str(written)
            validate_value(element.VR, written, config.RAISE)
    except (ValueError, TypeError):
        return False
    return not isinstance(values[0], str) or "\x00" not in values[0]


def _keyword(element: Any) -> str:
    return element.keyword or f"{element.tag.group:04X}{element.tag.element:04X}"
