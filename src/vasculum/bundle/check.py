"""Checking a bundle: every byte and every link."""

from __future__ import annotations

from pathlib import Path

from vasculum.model.description import Finding


def check(path: str | Path) -> list[Finding]:
    """Verify a bundle; an empty list means that it is sound.

    Raises
    ------
    Unreadable
        It is not a zip at all.
    """
    raise NotImplementedError
