"""Value bytes to values: numbers by representation, text by Specific Character Set (PS3.5 sections 6.1 and 6.2)."""

from __future__ import annotations

import struct
import warnings
from functools import lru_cache

from .walk import DataSet, Element

Scalar = str | int | float | None

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
TEXT_BY_CHARSET = frozenset({"SH", "LO", "ST", "LT", "UC", "UT", "PN"})
_WHOLE = frozenset({"ST", "LT", "UT", "UR"})
"""Representations in which a backslash is a character (PS3.5 table 6.2-1)."""


def charset_of(elements: DataSet, inherited: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Give the defined terms of Specific Character Set; an item without one inherits that of its parent."""
    element = elements.get(0x00080005)
    if element is None or not isinstance(element.value, bytes):
        return inherited
    return tuple(part.strip(" \0") for part in element.value.decode("latin-1").split("\\"))


@lru_cache(maxsize=64)
def codecs_of(charset: tuple[str, ...]) -> tuple[str, ...]:
    """Give the Python codecs of a character set, the initial one first; ``ascii`` where none is declared."""
    from pydicom.charset import convert_encodings

    if not any(charset):
        return ("ascii",)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings(list(charset)))
        except (ValueError, LookupError):
            return ("ascii",)


def decode_text(raw: bytes, charset: tuple[str, ...]) -> str:
    """Decode text. Undeclared non-ASCII is read as UTF-8 where it is that, else as Latin-1: nothing is lost."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii") if "shift_jis" not in codecs_of(charset)[:1] else raw.decode("shift_jis")
    codecs = codecs_of(charset)
    if b"\x1b" in raw and len(codecs) > 1:
        from pydicom.charset import decode_bytes
        from pydicom.valuerep import TEXT_VR_DELIMS

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(decode_bytes(raw, list(codecs), TEXT_VR_DELIMS))
    for codec in (codecs[0], "utf-8"):
        try:
            return raw.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("latin-1")


def values_of(element: Element, *, little: bool = True, charset: tuple[str, ...] = ()) -> list[Scalar]:
    """Decode the values of an element that is not binary and not a sequence; see `decoded`."""
    raw = element.value
    return decoded(element.vr, raw, little, charset) if isinstance(raw, bytes) and raw else []


def decoded(vr: str, raw: bytes, little: bool, charset: tuple[str, ...]) -> list[Scalar]:
    """Decode value bytes.

    Numbers that are not numbers (``1,5`` as DS) stay text; an empty value among several is None.
    """
    code = _NUMBERS.get(vr)
    if code is not None:
        size = struct.calcsize(code)
        count = len(raw) // size
        numbers = list(struct.unpack_from(f"{'<' if little else '>'}{count}{code}", raw))
        if vr in ("FL", "FD"):
            return [
                n if n - n == 0 else str(n) for n in numbers
            ]  # JSON has no NaN; "nan", "inf" and "-inf" are words
        return numbers
    if vr == "AT":
        pairs = struct.unpack_from(f"{'<' if little else '>'}{len(raw) // 4 * 2}H", raw)
        return [f"{g:04X}{e:04X}" for g, e in zip(pairs[::2], pairs[1::2], strict=True)]
    if vr in TEXT_BY_CHARSET:
        return _texts(decode_text(raw, charset), vr)
    return _texts(raw.decode("latin-1") if not raw.isascii() else raw.decode("ascii"), vr)


def _texts(text: str, vr: str) -> list[Scalar]:
    if vr in _WHOLE:
        text = text.rstrip("\0 ")
        return [text] if text else []
    if vr in ("LO", "SH", "UC"):
        parts = [part.rstrip("\0 ") for part in text.split("\\")]
    elif vr in ("AE", "DS", "IS"):
        parts = [part.strip(" \0\t\r\n") for part in text.split("\\")]
    else:
        parts = text.rstrip("\0 ").split("\\")
    if parts == [""]:
        return []
    if vr == "DS":
        return [_number(part, float) for part in parts]
    if vr == "IS":
        return [_number(part, int) for part in parts]
    return [part or None for part in parts]


def _number(text: str, kind: type[int] | type[float]) -> Scalar:
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if kind is int and number.is_integer() and abs(number) < 2**53 else text
    if isinstance(value, float):
        return value if value - value == 0 else text
    return value if abs(value) < 2**63 else text
