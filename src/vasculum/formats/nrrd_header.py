"""The text of an NRRD header: its fields and key/value pairs.

Follows the format definition of Teem (NRRD0001 to NRRD0005). Nothing here opens a data file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vasculum.errors import Unreadable, Unsupported

MAGIC = b"NRRD000"
MOST_HEADER_BYTES = 16 * 1024 * 1024

SYNONYMS = {
    "datafile": "data file",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "blocksize": "block size",
    "sampleunits": "sample units",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
    "centers": "centerings",
    "oldmin": "old min",
    "oldmax": "old max",
}

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
TYPES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
"""numpy type by the names that the definition allows."""

ENCODINGS = {
    "raw": "raw",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "hex",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A parsed NRRD header."""

    version: int
    fields: Mapping[str, str]
    """Field specifications by canonical name, as text."""
    keys: Mapping[str, str]
    """Key/value pairs, exactly, in the order of the file."""
    comments: tuple[str, ...]
    file_list: tuple[str, ...]
    """Names after ``data file: LIST``."""
    data_offset: int
    """First byte after the blank line that ends the header; the size of the file where there is none."""
    ended: bool
    """Whether there was a blank line."""


def read_header(path: Path) -> Header:
    """Read and parse the header of a file.

    Raises
    ------
    Unreadable
        It is not an NRRD header, or is longer than `MOST_HEADER_BYTES`.
    """
    lines: list[str] = []
    ended = False
    with path.open("rb") as stream:
        while line := stream.readline(MOST_HEADER_BYTES):
            if not line.strip(b"\r\n"):
                ended = True
                break
            lines.append(_decoded(line.rstrip(b"\r\n")))
            if stream.tell() > MOST_HEADER_BYTES:
                raise Unreadable("the NRRD header has no end")
        offset = stream.tell()
    if not lines or not re.match(r"NRRD000[1-9]", lines[0]):
        raise Unreadable("the file does not begin like an NRRD")
    return _parsed(lines, offset, ended)


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _parsed(lines: list[str], offset: int, ended: bool) -> Header:
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    comments: list[str] = []
    for number, line in enumerate(lines[1:], start=1):
        name, colon, rest = line.partition(":")
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif rest.startswith("="):
            keys[unescaped(name)] = unescaped(rest[1:])
        elif ":=" in line and not rest.startswith(" "):
            name, _, rest = line.partition(":=")
            keys[unescaped(name)] = unescaped(rest)
        elif colon:
            name = " ".join(name.lower().split())
            name = SYNONYMS.get(name, name)
            fields[name] = rest.strip()
            if name == "data file" and rest.strip().upper().startswith("LIST"):
                names = tuple(text.strip() for text in lines[number + 1 :] if text.strip())
                return _header(lines, fields, keys, comments, names, offset, ended)
        else:
            raise Unreadable(f"line {number + 1} of the NRRD header is neither a field nor a key")
    return _header(lines, fields, keys, comments, (), offset, ended)


def _header(
    lines: list[str],
    fields: dict[str, str],
    keys: dict[str, str],
    comments: list[str],
    names: tuple[str, ...],
    offset: int,
    ended: bool,
) -> Header:
    return Header(
        version=int(lines[0][7:8]),
        fields=fields,
        keys=keys,
        comments=tuple(comments),
        file_list=names,
        data_offset=offset,
        ended=ended,
    )


def unescaped(text: str) -> str:
    """Undo the escapes of key/value pairs: backslash-n and backslash-backslash."""
    return re.sub(r"\\([n\\])", lambda match: "\n" if match[1] == "n" else "\\", text)


def escaped(text: str) -> str:
    r"""Escape a key or a value for a header line."""
    return text.replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\n")


def dtype_of(header: Header) -> str:
    """Give the numpy type with byte order.

    Raises
    ------
    Unreadable
        The type is missing or unknown.
    Unsupported
        The type is ``block``.
    """
    name = " ".join(header.fields.get("type", "").lower().split())
    if name == "block":
        raise Unsupported("NRRD of type block is not read")
    if name not in TYPES:
        raise Unreadable("the NRRD header has no known type")
    code = TYPES[name]
    if code.endswith("1"):
        return "|" + code
    return (">" if header.fields.get("endian", "little").lower() == "big" else "<") + code
