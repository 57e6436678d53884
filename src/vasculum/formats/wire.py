"""Values of the model as bytes (MessagePack), and back, exactly.

Used between processes and by the catalogue. Plain values take msgspec's fast path. What MessagePack cannot hold
(file names that are not UTF-8, whole numbers over 64 bits) is spelled out as marked strings; a first byte says which.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, overload

import msgspec
import numpy as np

from vasculum.errors import Unreadable
from vasculum.model.description import Description

T = TypeVar("T")

_PLAIN = b"\x00"
_SPELLED = b"\x01"
_TO_SPELL = re.compile("[\ud800-\udfff\x00]")
_SPELLING = re.compile("\x00([0-9a-f]{4})")
_NUMBER = "\x00#"
"""Marks a whole number that is written as decimal digits."""


def to_bytes(value: Any) -> bytes:
    """Write a dataclass of the model (or a list, mapping, tuple of such).

    Raises
    ------
    Unreadable
        It holds a value that is none of the model's types.
    """
    try:
        return _PLAIN + _encoder().encode(value)
    except (UnicodeEncodeError, OverflowError, ValueError):
        pass
    except TypeError as error:
        raise Unreadable("a value has a type that cannot be kept") from error
    try:
        built = msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_unknown)
    except TypeError as error:
        raise Unreadable("a value has a type that cannot be kept") from error
    return _SPELLED + _encoder().encode(_spelled(built))


@overload
def from_bytes(content: bytes) -> Description: ...
@overload
def from_bytes(content: bytes, kind: type[T]) -> T: ...
def from_bytes(content: bytes, kind: Any = Description) -> Any:
    """Read what `to_bytes` wrote.

    Parameters
    ----------
    content
        The bytes.
    kind
        The type that was written, such as `Description` or ``dict[str, Description]``.

    Raises
    ------
    Unreadable
        The bytes are not of that type.
    """
    try:
        if content[:1] == _PLAIN:
            return _decoded(memoryview(content)[1:], kind)
        if content[:1] == _SPELLED:
            built = msgspec.msgpack.decode(memoryview(content)[1:])
            return msgspec.convert(_numbered(_unspelled(built)), kind, builtin_types=(bytes,))
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise Unreadable("a stored description cannot be read back") from error
    raise Unreadable("a stored description cannot be read back")


def _decoded(content: memoryview, kind: Any) -> Any:
    try:
        return _decoder(kind).decode(content)
    except msgspec.ValidationError:
        built = _numbered(msgspec.msgpack.decode(content))
        return msgspec.convert(built, kind, builtin_types=(bytes,))


def _numbered(value: Any, *, header: bool = False) -> Any:
    """Give truth values among header values as the numbers they are; msgspec tells the two apart, Python does not."""
    if isinstance(value, dict):
        return {key: _numbered(item, header=header or key == "attributes") for key, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item, header=header) for item in value]
    return int(value) if header and isinstance(value, bool) else value


@cache
def _encoder() -> msgspec.msgpack.Encoder:
    return msgspec.msgpack.Encoder(enc_hook=_unknown)


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def _unknown(value: Any) -> Any:
    """Turn numbers of numpy into Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(type(value).__name__)


def _spelled(value: Any) -> Any:
    if isinstance(value, str):
        return _TO_SPELL.sub(lambda found: f"\x00{ord(found[0]):04x}", value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return f"{_NUMBER}{value}"
    if isinstance(value, dict):
        return {_spelled(key): _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    return value


def _unspelled(value: Any) -> Any:
    if isinstance(value, str):
        if value.startswith(_NUMBER):
            return int(value[len(_NUMBER) :])
        return _SPELLING.sub(lambda found: chr(int(found[1], 16)), value)
    if isinstance(value, dict):
        return {_unspelled(key): _unspelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unspelled(item) for item in value]
    return value
