"""A DICOMDIR as we find it (PS3.3 Annex F, PS3.10 chapter 8): which files it names, and which are not there."""

from __future__ import annotations

from pathlib import Path

from vasculum.model.description import Finding, Reference

from .fields import Fields

MAX_RECORDS = 1_000_000
MAX_CHECKED = 50_000


def listed_files(fields: Fields, folder: Path) -> tuple[tuple[Reference, ...], tuple[Finding, ...]]:
    """Give the files that a directory names, and what is wrong with them.

    File IDs that would lead out of the folder are never looked up, and are no references.
    """
    names: dict[str, None] = {}
    climbing = 0
    for record in fields.items(0x00041220)[:MAX_RECORDS]:
        parts = [part.strip() for part in record.texts(0x00041500)]
        if not parts or parts == [""]:
            continue
        if all(_is_plain(part) for part in parts):
            names["/".join(parts)] = None
        else:
            climbing += 1
    findings = []
    if climbing:
        text = f"{climbing} entries of the directory lead out of its folder; they are not followed."
        findings.append(Finding(code="climbing-file-ids", text=text))
    checked = list(names)[:MAX_CHECKED]
    missing = [name for name in checked if not _exists(folder, name)]
    if missing:
        text = f"{len(missing)} of {len(checked)} files that the directory lists are not there."
        findings.append(Finding(code="missing-files", text=text))
    references = tuple(Reference(target=name, how="path", role="file-set-member") for name in names)
    return references, tuple(findings)


def _is_plain(part: str) -> bool:
    return part not in ("", ".", "..") and not any(c in part for c in "/\\:\0")


def _exists(folder: Path, name: str) -> bool:
    """File IDs are upper case (PS3.10 8.2); copies of them on disk are sometimes not."""
    for spelling in (name, name.lower()):
        try:
            if (folder / spelling).is_file():
                return True
        except (OSError, ValueError):
            return False
    return False
