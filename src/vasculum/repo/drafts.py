"""From files to series: what belongs together because the files say so."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vasculum.model.description import Description, Finding, Part
from vasculum.model.kinds import Severity
from vasculum.model.plans import FoundFile
from vasculum.repo.examine import Held

if TYPE_CHECKING:
    from vasculum.repo.examine import Laboratory


@dataclass(slots=True)
class Draft:
    """A series as the files tell it; whose it is comes next."""

    description: Description
    files: dict[str, FoundFile]
    """Part name → file."""
    local: dict[str, str]
    """Part name → where its bytes can be read now."""
    root: str
    why: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Give the path of the first file."""
        return self.files[self.description.parts[0].name].path


@dataclass(slots=True)
class Sorted:
    """All files of an import, sorted."""

    drafts: list[Draft]
    copies: dict[str, str]
    """Path → path of an earlier file with the same bytes."""


def sort_files(held: Iterable[Held], laboratory: Laboratory) -> Sorted:
    """Sort examined files into series.

    DICOM files by their UIDs (and, within a series, into stacks), pictures of one folder into volumes, headers with
    their detached data. Every readable file ends in at least one draft, or among the copies.
    """
    copies: dict[str, str] = {}
    first_with: dict[str, str] = {}
    buckets: dict[tuple[str, str], list[Held]] = defaultdict(list)
    single: list[Held] = []
    by_path: dict[str, Held] = {}
    for one in held:
        by_path[one.found.path] = one
        if not one.readable:
            continue
        bucket = _bucket(one)
        if bucket is None:
            single.append(one)
            continue
        earlier = first_with.setdefault(one.found.sha256, one.found.path)
        if one.dicom is not None and earlier != one.found.path:
            copies[one.found.path] = earlier
            continue
        buckets[bucket].append(one)
    drafts: list[Draft] = []
    for (format_name, _), members in buckets.items():
        drafts += _assembled(format_name, members, laboratory)
    drafts += _singles(single, by_path, taken=_claimed(drafts))
    return Sorted(_without_copies(drafts, copies), copies)


def _bucket(one: Held) -> tuple[str, str] | None:
    """Say with which other files this one has to be looked at; None if it stands alone."""
    if one.dicom is not None:
        uid = one.dicom.series_instance_uid or one.found.path
        return one.format, f"{one.dicom.study_instance_uid}/{uid}"
    if one.format in {"image", "scanlog"}:
        return "image", posixpath.dirname(one.found.path.replace(os.sep, "/"))
    return None


def _assembled(format_name: str, members: list[Held], laboratory: Laboratory) -> list[Draft]:
    drafts = []
    for group in _versions(members):
        names = _part_names(group)
        items = {name: one.description() for name, one in names.items()}
        for description in laboratory.assemble(format_name, items):
            parts = {p.name: names[p.name] for p in description.parts}
            why = "DICOM Study and Series Instance UID" if description.dicom else "pictures of one folder, numbered"
            if len(parts) == 1 and not description.dicom:
                why = "a single file"
            drafts.append(_draft(description, parts, why))
    for later in drafts[1:]:
        if later.description.dicom and _is_version(later, drafts[0]):
            later.findings.append(
                Finding(
                    code="same-uid-other-bytes",
                    text="the same SOP Instance UID came with other bytes; both are kept, apart",
                    severity=Severity.ERROR,
                )
            )
    return drafts


def _versions(members: list[Held]) -> list[list[Held]]:
    """Part files with a SOP Instance UID that was seen already (with other bytes) from the first ones."""
    groups: list[list[Held]] = [[]]
    seen: dict[str, int] = defaultdict(int)
    for one in members:
        uid = one.dicom.sop_instance_uid if one.dicom else ""
        version = seen[uid] if uid else 0
        if uid:
            seen[uid] += 1
        while len(groups) <= version:
            groups.append([])
        groups[version].append(one)
    return groups


def _is_version(later: Draft, first: Draft) -> bool:
    uids = {i.sop_instance_uid for i in first.description.instances}
    return any(i.sop_instance_uid in uids for i in later.description.instances)


def _part_names(members: list[Held]) -> dict[str, Held]:
    """Name files relative to the folder that they share."""
    paths = [m.found.path.replace(os.sep, "/") for m in members]
    folders = [posixpath.dirname(p) for p in paths]
    try:
        base = posixpath.commonpath(folders) if len(set(folders)) > 1 else folders[0]
    except ValueError:  # files on several drives
        base = ""
    return {posixpath.relpath(p, base) if base else p: m for p, m in zip(paths, members, strict=True)}


def _draft(description: Description, parts: Mapping[str, Held], why: str) -> Draft:
    first = next(iter(parts.values()))
    return Draft(
        description=description,
        files={name: h.found for name, h in parts.items()},
        local={name: h.local for name, h in parts.items()},
        root=first.root,
        why=why,
        findings=list(dict.fromkeys(description.findings)),
    )


def _singles(single: list[Held], by_path: Mapping[str, Held], taken: set[str]) -> list[Draft]:
    """Make drafts of files that stand alone, each with the detached parts that it names; those stand no longer alone."""
    whole: list[tuple[Held, Description, dict[str, Held]]] = []
    for one in single:
        description = one.description()
        parts, missing = _parts(one, description, by_path)
        if missing:
            description = _with_missing(description, parts, missing)
        whole.append((one, description, parts))
    detached = {
        h.found.path for one, _, parts in whole for h in parts.values() if h.found.path != one.found.path
    } | taken
    drafts = []
    for one, description, parts in whole:
        if one.found.path in detached and len(parts) == 1:
            continue
        why = "a header and the files it names" if len(parts) > 1 else "a single file"
        drafts.append(_draft(description, parts, why))
    return drafts


def _parts(one: Held, description: Description, by_path: Mapping[str, Held]) -> tuple[dict[str, Held], list[str]]:
    folder = posixpath.dirname(one.found.path.replace(os.sep, "/"))
    parts = {description.parts[0].name: one}
    missing = []
    for part in description.parts[1:]:
        path = posixpath.normpath(posixpath.join(folder, part.name)).replace("/", os.sep)
        other = by_path.get(path) or by_path.get(path.replace(os.sep, "/"))
        if other is None:
            missing.append(part.name)
        else:
            parts[part.name] = other
    return parts, missing


def _with_missing(description: Description, parts: Mapping[str, Held], missing: list[str]) -> Description:
    kept: tuple[Part, ...] = tuple(p for p in description.parts if p.name in parts)
    sidecars = {p.name for p in description.parts if p.role == "sidecar"}
    lost = [m for m in missing if m not in sidecars]
    if not lost:
        return replace(description, parts=kept)
    finding = Finding(
        code="missing-part",
        text=f"{len(lost)} file(s) that the header names were not met: {', '.join(lost[:3])}",
        severity=Severity.ERROR,
    )
    return replace(description, parts=kept, voxels=None, findings=(*description.findings, finding))


def _claimed(drafts: Iterable[Draft]) -> set[str]:
    return {f.path for d in drafts for f in d.files.values()}


def _without_copies(drafts: list[Draft], copies: dict[str, str]) -> list[Draft]:
    """Drop drafts whose every byte is in an earlier one."""
    kept: list[Draft] = []
    seen: dict[tuple[str, ...], Draft] = {}
    for draft in drafts:
        print_ = tuple(draft.files[p.name].sha256 for p in draft.description.parts)
        earlier = seen.setdefault(print_, draft)
        if earlier is draft:
            kept.append(draft)
            continue
        for name, file in draft.files.items():
            copies[file.path] = earlier.files[name].path if name in earlier.files else earlier.path
    return kept
