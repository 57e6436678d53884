"""Which format a file is of. Our own formats are listed here, most specific first; plugins come before them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import HEAD_BYTES, ContainedFormat, Format, Head
from vasculum.model.description import Description
from vasculum.plugins import plugin_manager

BUILT_IN = (
    "dicom",
    "nrrd",
    "nifti",
    "neuro",
    "metaimage",
    "markups",
    "mrml",
    "archive",
    "transform",
    "mesh",
    "txrm",
    "scanlog",
    "image",
    "table",
    "document",
)
"""Modules of `vasculum.formats`; each has ``FORMATS``, a tuple of format objects. `document` takes what is left."""


@cache
def formats() -> tuple[Format, ...]:
    """Give all formats in the order in which they are asked."""
    added = [f for group in plugin_manager().hook.register_formats() for f in group]
    own = [f for name in BUILT_IN for f in import_module(f"vasculum.formats.{name}").FORMATS]
    return (*added, *own)


def format_named(name: str) -> Format:
    """Give the format of that name.

    Raises
    ------
    Unsupported
        No such format is installed.
    """
    for candidate in formats():
        if candidate.name == name:
            return candidate
    raise Unsupported(f"no format called {name!r} is installed", hint="a plugin may be missing")


def recognise(path: Path) -> Format:
    """Find the format of a file by its first bytes.

    Raises
    ------
    Unreadable
        The file is empty, or no format (not even a plain document) fits.
    """
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("the file is empty")
    with path.open("rb") as stream:
        head = Head(path, size, stream.read(HEAD_BYTES))
    for candidate in formats():
        if candidate.recognises(head):
            return candidate
    raise Unreadable("the format was not recognised")


def describe(path: Path, root: Path | None = None) -> Description:
    """Recognise a file and describe it; a member of a container may name parts anywhere under `root`."""
    found = recognise(path)
    return found.describe(path, root) if root and isinstance(found, ContainedFormat) else found.describe(path)
