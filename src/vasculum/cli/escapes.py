"""Text for terminals and for JSON: file names that are not UTF-8, and characters that would steer a terminal.

A byte of a file name that is not UTF-8 is shown as ``\\xHH``. Every other character is shown as it is, but for control
characters on terminals, so that a crafted header cannot move the cursor or colour the screen.
"""

from __future__ import annotations

import base64
import os
import re

_UNDECODABLE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def for_json(text: str) -> str:
    """Replace what cannot be written as UTF-8: undecodable bytes become ``\\xHH``, lone surrogates ``\\uHHHH``."""
    return _UNDECODABLE.sub(_escaped, text)


def for_terminal(text: str) -> str:
    """Replace what cannot be written as UTF-8, and control characters but for the line feed."""
    return _CONTROL.sub(lambda m: m[0] if m[0] == "\n" else _escaped(m), for_json(text))


def exact_bytes(path: str) -> str:
    """Give the bytes of a path in base64 where it is not UTF-8; an empty string where it is."""
    if not _UNDECODABLE.search(path):
        return ""
    try:
        return base64.b64encode(os.fsencode(path)).decode("ascii")
    except UnicodeEncodeError:  # Windows: an unpaired UTF-16 unit
        return base64.b64encode(path.encode("utf-8", "surrogatepass")).decode("ascii")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # PEP 383: a byte from 0x80 on
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
