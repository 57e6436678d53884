"""Names of the members of a bundle (DESIGN 4.1)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

MAX_NAME = 50
"""Characters of a file name without its suffix: Slicer clips what it saves to this length."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*%\x00-\x1f\x7f]')
"""What Windows refuses in names, and ``%``, which Slicer takes for an escape."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever their suffix."""

SCENE_SUFFIXES = (".mrml",)
"""Suffixes by which a Slicer looks for the scene of a zip; only our own scene may carry one."""


def safe_name(label: str) -> str:
    """Make a file name (no suffix) of a label that every system takes.

    NFC; characters that Windows or Slicer do not take become ``%XX`` (UTF-8, as in URLs); 50 characters at most.
    """
    text = unicodedata.normalize("NFC", label.encode("utf-8", "replace").decode())
    text = _FORBIDDEN.sub(lambda match: f"%{ord(match.group()):02X}", text).strip(" ")
    text = _clip(text, MAX_NAME).rstrip(" .")
    if not text:
        return "unnamed"
    return f"_{text}" if text.startswith(".") or _DEVICES.match(text) else text


def _clip(text: str, length: int) -> str:
    """Cut to a length without cutting an escape in two."""
    return re.sub(r"%[0-9A-F]?$", "", text[:length]) if len(text) > length else text


def root_name(label: str) -> str:
    """Name of the folder of the scene; it must not be one of those beside it."""
    name = safe_name(label)
    return f"{name}_" if name.casefold() in {"dicom", "dicomdir", "original", "ro-crate-metadata.json"} else name


@dataclass(slots=True)
class Names:
    """Hands out member names that are unique whatever the case."""

    root: str
    """Safe name of the subject: folder and file name of the scene."""
    _taken: set[str] = field(default_factory=set)
    _images: int = 0

    @property
    def scene(self) -> str:
        """Name of the one scene."""
        return f"{self.root}/{self.root}.mrml"

    def data(self, label: str, suffix: str) -> str:
        """Name for a file of the scene: ``<root>/Data/<label><suffix>``."""
        return self._unique(f"{self.root}/Data/", label, suffix)

    def original(self, folder: str, name: str) -> str:
        """Name for bytes that are kept as they came: ``original/<folder>/<name>``; a path keeps its folders."""
        *folders, last = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}] or [
            "file"
        ]
        stem, dot, suffix = last.rpartition(".")
        if not stem:
            stem, dot, suffix = last, "", ""
        suffix = f"{dot}{safe_name(suffix)}" if dot else ""
        if suffix.lower() in SCENE_SUFFIXES:
            suffix += ".txt"  # an older Slicer opens the first .mrml it finds
        path = "/".join(("original", safe_name(folder), *(safe_name(part) for part in folders)))
        return self._unique(f"{path}/", stem, suffix)

    def image(self) -> str:
        """Next DICOM File ID (PS3.10 8.2: components of up to eight of A-Z, 0-9 and _)."""
        self._images += 1
        return f"DICOM/IM{self._images:06d}"

    def _unique(self, folder: str, label: str, suffix: str) -> str:
        stem = safe_name(label)
        name = f"{folder}{stem}{suffix}"
        number = 1
        while name.casefold() in self._taken:
            number += 1
            mark = f" ({number})"
            name = f"{folder}{_clip(stem, MAX_NAME - len(mark))}{mark}{suffix}"
        self._taken.add(name.casefold())
        return name
