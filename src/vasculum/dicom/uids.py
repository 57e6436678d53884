"""Unique identifiers that are the same whenever the same thing is written."""

from __future__ import annotations

import hashlib
import re

IMPLEMENTATION_CLASS_UID = "2.25.116341857230719423480263415972884021637"
"""Implementation Class UID (0002,0012) of what we write."""

IMPLEMENTATION_VERSION_NAME = "VASCULUM_1"
"""Implementation Version Name (0002,0013), at most 16 characters."""

_SOUND = re.compile(r"(?:0\.[0-5]|1\.[0-3]|2\.(?:16|25))(?:\.(?:0|[1-9][0-9]*))+")
"""Numbers without leading zeros, under a root that is given out for such use (PS3.5 chapter 9 and annex B)."""


def uid_from(*parts: str) -> str:
    """Derive a UID from texts.

    The root ``2.25`` takes a 128-bit number in decimals without leading zeros (PS3.5 annex B.2); the number is the
    first half of a SHA-256. Equal texts give an equal UID, which makes conversions idempotent.

    Parameters
    ----------
    parts
        At least one text, such as ``("volume", study_uid, sha256)``. ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"


def sound_uid(uid: str, kind: str) -> str:
    """Give a UID as it is; where it breaks the rules of PS3.5 chapter 9, one derived from it.

    Parameters
    ----------
    kind
        What is identified, such as ``frame-of-reference``.
    """
    return uid if len(uid) <= 64 and _SOUND.fullmatch(uid) else uid_from(kind, uid)
