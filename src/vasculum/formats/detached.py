"""Names of data files that a header points to (NRRD, MetaImage): never outside the header's folder."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from vasculum.errors import Unreadable

MOST_FILES = 100_000
"""Longest list of data files that a header may name."""

_PATTERN = re.compile(r"^(?P<name>.*%0?\d{0,2}d.*?)\s+(?P<low>-?\d+)\s+(?P<high>-?\d+)\s+(?P<step>-?\d+)(\s+\d+)?$")


def part_name(header: Path, name: str, root: Path | None = None) -> str:
    """Check the name of a data file and give it as a part name.

    Parameters
    ----------
    header
        The file that names it; relative names start at its folder.
    name
        As written in the header, with forward or backward slashes.
    root
        Folder that the file may lie in, such as that of an unpacked container; by default the folder of `header`.

    Returns
    -------
    str
        Path relative to the folder of `header`, with forward slashes.

    Raises
    ------
    Unreadable
        The name is absolute, or leads out of the folder (by ``..`` or by a link).
    """
    tidy = name if (header.parent / name).exists() else name.replace("\\", "/")
    if not tidy or PurePosixPath(tidy).is_absolute() or PureWindowsPath(tidy).anchor or "\0" in tidy:
        raise _outside()
    allowed = (root or header.parent).resolve()
    if not (header.parent / tidy).resolve().is_relative_to(allowed):
        raise _outside()
    return PurePosixPath(tidy).as_posix()


def numbered_names(text: str) -> tuple[str, ...]:
    """Expand ``slice%03d.raw 1 20 1`` into names; empty if the text is not of that form.

    Raises
    ------
    Unreadable
        The range is endless, or longer than `MOST_FILES`.
    """
    match = _PATTERN.match(text)
    if not match:
        return ()
    low, high, step = (int(match[group]) for group in ("low", "high", "step"))
    count = (high - low) // step + 1 if step else 0
    if not 0 < count <= MOST_FILES:
        raise Unreadable("the header names no data files, or too many")
    place = re.search(r"%(0?)(\d{0,2})d", match["name"])
    assert place is not None
    width, fill = int(place[2] or 0), place[1] or " "
    numbers = (str(low + n * step).rjust(width, fill) for n in range(count))
    return tuple(match["name"][: place.start()] + number + match["name"][place.end() :] for number in numbers)


def _outside() -> Unreadable:
    return Unreadable(
        "the header points outside its folder",
        hint="put header and data into one folder, and name the data relatively",
    )
