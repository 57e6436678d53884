"""Unique identifiers that are the same whenever the same thing is written."""

from __future__ import annotations

import hashlib

IMPLEMENTATION_CLASS_UID = "2.25.116341857230719423480263415972884021637"
"""Implementation Class UID (0002,0012) of what we write."""

IMPLEMENTATION_VERSION_NAME = "VASCULUM_1"
"""Implementation Version Name (0002,0013), at most 16 characters."""


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
