"""Numbered slices of one folder as one volume, and the voxel size that they rarely carry themselves."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from vasculum.errors import Invalid
from vasculum.formats import scanlog
from vasculum.formats.plausible import plausibility
from vasculum.model.description import Block, Description, Finding, Part, Value, Voxels
from vasculum.model.geometry import Geometry, Vector
from vasculum.model.kinds import Kind, Severity

SLICES_LEAST = 3
"""Fewer numbered pictures than this stay single, unless a scanner log lies beside them (then two are enough)."""

VOXEL_SIZE = "image.voxel-size-mm"
"""Attribute with the voxel size (i, j, k) that a picture carries itself."""

_NAMED_NUMBERS = 10
_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class _Slice:
    key: str
    number: int
    prefix: str
    """What stands before the number in the file name."""
    description: Description

    @property
    def grid(self) -> tuple[str, str, tuple[int, ...]]:
        """What must be equal for two slices to be of one volume."""
        voxels = self.description.voxels
        assert voxels is not None
        return voxels.dtype, voxels.axes, voxels.sizes


def assemble(items: Mapping[str, Description]) -> Sequence[Description]:
    """Sort pictures and scanner logs into volumes, single pictures and single logs.

    Pictures of one folder whose names differ in one number, and which have the same size and type, are one volume, in
    the order of the number. A log in the same folder, or one that names the same prefix, gives the voxel size.

    Parameters
    ----------
    items
        Part names (the paths to use in the results) and descriptions of formats ``image`` and ``scanlog``.

    Returns
    -------
    sequence
        Every key is a part of exactly one result.
    """
    logs = {key: d for key, d in items.items() if d.format == "scanlog"}
    used: set[str] = set()
    results: list[Description] = []
    groups = _numbered_groups({k: d for k, d in items.items() if k not in logs})
    named = [_named_log(group, logs) for group in groups]
    free = {key: d for key, d in logs.items() if key not in named}
    for group, own in zip(groups, named, strict=True):
        log = own or (_log_beside(group, free) if len(group) >= SLICES_LEAST else "")
        if len(group) < (2 if log else SLICES_LEAST):
            results += [_renamed(s.description, s.key) for s in group]
            continue
        results += _stacks(group, log, logs, used)
    results += [_renamed(d, key) for key, d in logs.items() if key not in used]
    return results


def with_voxel_size(description: Description, mm: Vector, *, source: str = "given") -> Description:
    """Give a stack (or any array without a place) its voxel size.

    Parameters
    ----------
    description
        With `voxels`; its geometry becomes an identity grid at the origin, LPS.
    mm
        Millimetres along (i, j, k).
    source
        Where the size comes from: ``given``, ``scanner log``, ``file``.

    Raises
    ------
    Invalid
        A size is not positive, or there are no voxels.
    """
    voxels = description.voxels
    if voxels is None:
        raise Invalid("a voxel size was given for something that has no voxels")
    if len(mm) != 3 or not all(0 < v < float("inf") for v in mm):
        raise Invalid("a voxel size must be three positive numbers of millimetres")
    k, j, i = (voxels.sizes[voxels.axes.index(axis)] for axis in "kji")
    irregular = description.geometry.irregular if description.geometry else _gap_text(description)
    geometry = Geometry(
        shape=(k, j, i),
        spacing=(float(mm[0]), float(mm[1]), float(mm[2])),
        origin=(0.0, 0.0, 0.0),
        direction=_IDENTITY,
        irregular=irregular,
    )
    kept = [f for f in description.findings if f.code not in ("needs-voxel-size", "implausible-voxel-size")]
    flaw = plausibility(geometry, description.modality)
    return replace(
        description,
        geometry=geometry,
        attributes={**description.attributes, "image.voxel-size-from": (source,)},
        findings=(*kept, flaw) if flaw else tuple(kept),
    )


def without_voxel_size() -> Finding:
    """Say that a voxel size is needed, and how to give it."""
    return Finding(
        code="needs-voxel-size",
        text="nothing says how large a voxel is; say it with --voxel-size 0.05mm",
    )


def without_orientation() -> Finding:
    """Say that the slices carry no orientation."""
    return Finding(
        code="no-orientation",
        text="pictures carry no orientation: columns are taken as left, rows as posterior, slices as superior",
        severity=Severity.NOTE,
    )


def _numbered_groups(items: Mapping[str, Description]) -> list[list[_Slice]]:
    """Group pictures by folder, name without number, size and type; what has no number is alone (number -1)."""
    templates: dict[tuple[str, ...], list[tuple[str, list[str]]]] = defaultdict(list)
    groups: list[list[_Slice]] = []
    for key, description in items.items():
        folder, name = posixpath.split(key)
        pieces = re.split(r"([0-9]+)", name)  # text, digits, text, digits, ..., text
        if len(pieces) == 1 or not _is_slice(description):
            groups.append([_Slice(key, -1, "", description)])
            continue
        templates[(folder, *(p.lower() for p in pieces[::2]))].append((key, pieces))
    for members in templates.values():
        groups += _by_number(members, items)
    return groups


def _by_number(members: list[tuple[str, list[str]]], items: Mapping[str, Description]) -> list[list[_Slice]]:
    """The last number that varies counts the slices; any earlier one tells stacks apart."""
    count = len(members[0][1])
    varying = [n for n in range(1, count, 2) if len({pieces[n] for _, pieces in members}) > 1]
    counter = varying[-1] if varying else count - 2
    groups: dict[tuple[str, ...], list[_Slice]] = defaultdict(list)
    for key, pieces in members:
        others = tuple(pieces[n] for n in varying[:-1])
        number = int(pieces[counter][-18:])
        groups[others].append(_Slice(key, number, "".join(pieces[:counter]), items[key]))
    return [sorted(group, key=lambda s: (s.number, s.key)) for group in groups.values()]


def _is_slice(description: Description) -> bool:
    voxels = description.voxels
    return voxels is not None and voxels.axes in ("kji", "kjic") and voxels.sizes[0] == 1


def _named_log(group: Sequence[_Slice], logs: Mapping[str, Description]) -> str:
    """Find the log that names the prefix of a stack; of several that of the folder, of the reconstruction. Or empty."""
    if group[0].number < 0:
        return ""
    stem = _plain(group[0].prefix)
    fitting = [key for key, log in logs.items() if stem in {_plain(p) for p in (*scanlog.prefixes(log), _stem(key))}]
    return max(fitting, key=lambda key: (_rank(key, group, logs[key]), key), default="")


def _log_beside(group: Sequence[_Slice], logs: Mapping[str, Description]) -> str:
    """Find a log in the folder of a stack, among those that name no other one; empty if there is none."""
    beside = [key for key in logs if posixpath.dirname(key) == posixpath.dirname(group[0].key)]
    return max(beside, key=lambda key: (_rank(key, group, logs[key]), key), default="")


def _rank(key: str, group: Sequence[_Slice], log: Description) -> tuple[bool, bool]:
    return posixpath.dirname(key) == posixpath.dirname(group[0].key), scanlog.is_reconstruction(log)


def _stem(key: str) -> str:
    return posixpath.splitext(posixpath.basename(key))[0]


def _plain(prefix: str) -> str:
    return prefix.lower().rstrip("_- .~")


def _stacks(group: Sequence[_Slice], log: str, logs: Mapping[str, Description], used: set[str]) -> list[Description]:
    """Make one volume of the slices of the commonest size; leave others apart, and say so."""
    sizes = Counter(s.grid for s in group)
    (grid, count), *rest = sizes.most_common()
    fitting = [s for s in group if s.grid == grid]
    odd = [s for s in group if s.grid != grid]
    findings: list[Finding] = []
    if rest:
        text = f"{len(odd)} of {len(group)} numbered pictures differ from the others in size or type; they are left apart"
        findings.append(Finding(code="mismatched-slices", text=text))
    apart = [_with(_renamed(s.description, s.key), findings) for s in odd]
    if count < (2 if log else SLICES_LEAST):
        return [_with(_renamed(s.description, s.key), findings) for s in group]
    volume = _volume(fitting, findings)
    if log:
        volume = _with_log(volume, log, logs[log], own_part=log not in used)
        used.add(log)
    return [_sized(volume, fitting, logs.get(log)), *apart]


def _volume(slices: Sequence[_Slice], findings: Sequence[Finding]) -> Description:
    first = slices[0].description
    voxels = first.voxels
    assert voxels is not None
    blocks = tuple(Block(part=s.key) for s in slices)
    notes = [*findings, *_numbering(slices), without_orientation()]
    kept = [f for f in first.findings if f.code not in ("needs-voxel-size", "no-orientation")]
    return replace(
        first,
        kind=Kind.VOLUME,
        parts=tuple(Part(name=s.key) for s in slices),
        title=slices[0].prefix.rstrip("_- .~") or posixpath.basename(posixpath.dirname(slices[0].key)) or first.title,
        voxels=Voxels(
            dtype=voxels.dtype,
            axes=voxels.axes,
            sizes=(len(slices), *voxels.sizes[1:]),
            encoding="image",
            blocks=blocks,
        ),
        geometry=None,
        attributes={**first.attributes, "image.first-number": (slices[0].number,)},
        findings=(*kept, *notes),
    )


def _numbering(slices: Sequence[_Slice]) -> Iterable[Finding]:
    """Find gaps (against the commonest step) and doubles in the numbers."""
    numbers = [s.number for s in slices]
    steps = Counter(b - a for a, b in pairwise(numbers) if b > a)
    if len(set(numbers)) < len(numbers):
        text = f"{len(numbers) - len(set(numbers))} slices have the number of another one"
        yield Finding(code="doubled-slices", text=text)
    if len(steps) > 1:
        step = max(steps, key=lambda s: (steps[s], -s))
        present = set(numbers)
        missing = range(numbers[0], numbers[-1] + 1, step)
        gaps = [str(n) for n in _first(missing, present)]
        total = sum(max(0, (b - a) // step - 1) for a, b in pairwise(numbers))
        more = f" and {total - len(gaps)} more" if total > len(gaps) else ""
        yield Finding(
            code="missing-slices",
            text=f"{total} slices are missing in the numbering: {', '.join(gaps)}{more}",
        )


def _first(wanted: range, present: set[int]) -> list[int]:
    found = []
    for number in wanted:
        if number not in present:
            found.append(number)
        if len(found) == _NAMED_NUMBERS:
            break
    return found


def _gap_text(description: Description) -> str:
    return next((f.text for f in description.findings if f.code == "missing-slices"), "")


def _with_log(volume: Description, key: str, log: Description, *, own_part: bool) -> Description:
    attributes: dict[str, tuple[Value, ...]] = {**volume.attributes, **log.attributes}
    parts = (*volume.parts, Part(name=key, role="sidecar")) if own_part else volume.parts
    return replace(volume, parts=parts, attributes=attributes, modality=volume.modality or log.modality)


def _sized(volume: Description, slices: Sequence[_Slice], log: Description | None) -> Description:
    """Place the volume by its log, else by what all of its pictures say, else ask for the voxel size."""
    voxels = volume.voxels
    assert voxels is not None
    own = {s.description.attributes.get(VOXEL_SIZE, ()) for s in slices}
    logged = scanlog.voxel_size(log) if log is not None else None
    if log is not None and scanlog.tells_projections(log, slices[0].prefix, (voxels.sizes[1], voxels.sizes[2])):
        text = "the scanner log beside these pictures tells of projections, not of reconstructed slices"
        projections = Finding(code="projections", text=text, severity=Severity.NOTE)
        kept = [f for f in volume.findings if f.code != "no-orientation"]
        return replace(volume, kind=Kind.IMAGE, findings=(*kept, projections))
    if logged is not None:
        return with_voxel_size(_with(volume, _against_log(volume)), logged, source="scanner log")
    if len(own) == 1 and len(stated := next(iter(own))) == 3:
        x, y, z = (float(v) for v in stated)
        return with_voxel_size(volume, (x, y, z), source="file")
    return _with(volume, [without_voxel_size()])


def _against_log(volume: Description) -> list[Finding]:
    """Compare the size of the stack with what the log says of it."""
    voxels, said = volume.voxels, volume.attributes
    assert voxels is not None
    findings = []
    width = said.get("scan.Result Image Width (pixels)", (0,))[-1]
    if isinstance(width, int) and width and width != voxels.sizes[2]:
        text = f"the log tells of pictures {width} wide, these are {voxels.sizes[2]}: scaled ones have another voxel size"
        findings.append(Finding(code="log-mismatch", text=text))
    count = said.get("scan.Sections Count", (0,))[-1]
    if isinstance(count, int) and count and count != voxels.sizes[0]:
        text = f"the log tells of {count} slices, {voxels.sizes[0]} are here"
        findings.append(Finding(code="log-mismatch", text=text))
    return findings


def _with(description: Description, findings: Sequence[Finding]) -> Description:
    return replace(description, findings=(*description.findings, *findings)) if findings else description


def _renamed(description: Description, key: str) -> Description:
    """Call the single part of a description by its key."""
    voxels = description.voxels
    if voxels is not None:
        voxels = replace(voxels, blocks=tuple(replace(b, part=key) for b in voxels.blocks))
    first = replace(description.parts[0], name=key)
    return replace(description, parts=(first, *description.parts[1:]), voxels=voxels)
