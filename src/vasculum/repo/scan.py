"""Meeting files: which files lie under the paths given, and which of them are not data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vasculum.errors import NotFound

NOT_DATA = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "@eadir"})
"""Files and folders that file managers leave behind (lower case)."""

REPOSITORY_MARK = "vasculum.json"
"""The file by which a folder is known to be a repository."""


@dataclass(frozen=True, slots=True)
class Met:
    """A file that was met."""

    path: str
    root: str
    """The path given by the user under which it lies."""
    skip: str = ""
    """Why it is not data; empty if it may be."""


def walk(paths: Sequence[Path]) -> Iterator[Met]:
    """Give every file under the paths, in a stable order. Links to folders are not followed.

    Raises
    ------
    NotFound
        A path does not exist.
    """
    for given in paths:
        root = os.path.abspath(given)
        if not os.path.lexists(root):
            raise NotFound(f"there is no file or folder {given.name!r}", hint="check the path")
        if not os.path.isdir(root):
            yield Met(root, os.path.dirname(root))
            continue
        yield from _walk_folder(root)


def _walk_folder(root: str) -> Iterator[Met]:
    for folder, folders, files in os.walk(root, followlinks=False):
        if REPOSITORY_MARK in files and "objects" in folders:
            yield Met(folder, root, skip="a vasculum repository lies here")
            folders.clear()
            continue
        for name in sorted(folders):
            if _is_clutter(name) or os.path.islink(os.path.join(folder, name)):
                why = "a link to a folder is not followed" if not _is_clutter(name) else "a hidden or system folder"
                yield Met(os.path.join(folder, name), root, skip=why)
        folders[:] = sorted(f for f in folders if not _is_clutter(f) and not os.path.islink(os.path.join(folder, f)))
        for name in sorted(files):
            clutter = "a hidden or system file" if _is_clutter(name) else ""
            yield Met(os.path.join(folder, name), root, skip=clutter)


def _is_clutter(name: str) -> bool:
    return name.startswith((".", "~$", "__MACOSX")) or name.lower() in NOT_DATA
