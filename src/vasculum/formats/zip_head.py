"""Names of the first members of a zip, told from its first bytes: is it an archive, or an office document?"""

from __future__ import annotations

import struct
from collections.abc import Iterator

LOCAL_HEADER = b"PK\x03\x04"
_FIELDS = struct.Struct(
    "<4s2xH10xI4xHH"
)  # APPNOTE 4.3.7: signature, flags, compressed size, lengths of name and extra
_SIZES_FOLLOW = 1 << 3
"""Flag of a member that was streamed: its size stands behind its bytes (APPNOTE 4.4.4)."""

_OFFICE_ROOTS = ("[Content_Types].xml", "xl/", "word/", "ppt/")


def leading_names(start: bytes) -> Iterator[str]:
    """Give the names of the members whose headers lie in the first bytes of a zip.

    Only headers are looked at: a zip that is stored inside another one does not lend it its members.
    """
    position = max(0, start.find(LOCAL_HEADER))
    while position + 30 <= len(start):
        signature, flags, size, name, extra = _FIELDS.unpack_from(start, position)
        if signature != LOCAL_HEADER:
            return
        body = position + 30 + name + extra
        yield start[position + 30 : position + 30 + name].decode("utf-8", "replace")
        following = start.find(LOCAL_HEADER, body) if flags & _SIZES_FOLLOW else body + size
        if following < 0:
            return
        position = following


def is_office(start: bytes) -> bool:
    """Tell whether the first bytes are those of an Office Open XML or OpenDocument file."""
    if start[30:].startswith(b"mimetypeapplication/vnd.oasis"):
        return True
    return any(name.startswith(_OFFICE_ROOTS) for name in leading_names(start))


def is_workbook(start: bytes) -> bool:
    """Tell whether the first bytes are those of an Excel workbook."""
    return any(name.startswith("xl/") for name in leading_names(start))
