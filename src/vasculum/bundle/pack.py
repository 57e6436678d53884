"""Packing: a subject with its studies and series into one file (DESIGN 4.1)."""

from __future__ import annotations

import errno
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vasculum.errors import Conflict, Integrity, NotFound, Unavailable, VasculumError
from vasculum.model.kinds import Kind, Severity
from vasculum.model.records import Activity, Study, Subject

from .container import ContainerWriter
from .crate import CRATE_NAME, write_crate
from .layout import Names, root_name
from .others import PACKERS, add_originals
from .record import bundle_record, encode
from .report import Item, LeftOut, PackedMember, PackReport
from .scene import Branch, SceneObject, write_scene
from .stage import Stage, record_of
from .volumes import DICOM_TYPE, VOXEL_KINDS, add_segmentation, add_volume

__all__ = ["Item", "LeftOut", "PackReport", "PackedMember", "Progress", "pack"]

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is done now)."""

RECORD_LABEL = "vasculum"
"""Name of the text node, and of the member under ``Data/``, that hold the record."""

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

_ORDER = (Kind.VOLUME, Kind.IMAGE, Kind.SEGMENTATION)
"""Volumes come first: segmentations refer to them."""


def pack(
    target: Path,
    *,
    subject: Subject,
    studies: Sequence[Study],
    items: Sequence[Item],
    when: datetime,
    software: str,
    activities: Sequence[Activity] = (),
    with_originals: bool = False,
    progress: Progress | None = None,
) -> PackReport:
    """Write one file with everything of a subject: a zip that is an MRB and a DICOM file-set.

    The file appears under its name only after it was read back and found sound. Memory stays bounded whatever the size
    of the volumes; the folder of `target` needs room for two copies while packing.

    Parameters
    ----------
    target
        File to make, usually ``….mrb``.
    subject, studies, items
        What to pack; every study of the items is among `studies`.
    when
        Time of packing: of the members, the DICOM content dates, the record.
    software
        Name and version of what packs, such as ``vasculum 1.0``.
    activities
        What brought or made the series; goes into record and crate.
    with_originals
        Also keep the imported files bit for bit under ``original/``.
    progress
        Told after every step.

    Returns
    -------
    PackReport
        With everything that is not in the file as one would expect.

    Raises
    ------
    Conflict
        The target exists.
    Integrity
        What was read back is not what was written; there is no file then.
    Unavailable
        The disk is full or cannot be written to.
    """
    started = time.monotonic()
    if target.exists():
        raise Conflict(f"{target.name} is there already", hint="choose another name, or move it away")
    folder = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.packing")
    steps = _Steps(progress, len(items) + 3)
    stage = Stage(
        folder=folder,
        subject=subject,
        studies=studies,
        when=when,
        names=Names(root_name(subject.label)),
        header=_shared_header(items),
    )
    partial = folder / "partial.mrb"
    try:
        folder.mkdir(parents=True)
        _stage_items(stage, items, with_originals, steps)
        _stage_whole(stage, _record(stage, items, activities, software))
        members = _write_zip(partial, stage, activities, software, steps)
        _verify(partial, steps)
        _publish(partial, target)
    except OSError as error:
        if isinstance(error, VasculumError):
            raise
        raise Unavailable(f"{target.name} cannot be written: {error.strerror or type(error).__name__}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    steps("done")
    return PackReport(
        path=target,
        size=target.stat().st_size,
        members=members,
        left_out=tuple(stage.left_out),
        findings=tuple(stage.findings),
        seconds=time.monotonic() - started,
    )


def _record(stage: Stage, items: Sequence[Item], activities: Sequence[Activity], software: str) -> Mapping[str, Any]:
    return bundle_record(
        subject=stage.subject,
        studies=stage.studies,
        series=[record_of(item) for item in items],
        activities=activities,
        when=stage.when,
        software=software,
    )


class _Steps:
    """Counts the steps of packing."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, what: str) -> None:
        self._done += 1
        if self._progress:
            self._progress(min(self._done, self._total), self._total, what)


def _shared_header(items: Sequence[Item]) -> Mapping[str, Any]:
    """Patient and Study values of the source, which every DICOM object of the bundle repeats."""
    from vasculum.dicom.json import unpack_json

    for item in items:
        if item.headers:
            return item.headers[0]
    for item in items:
        if item.description.dicom and item.description.header:
            header = unpack_json(item.description.header)
            if isinstance(header, dict):
                return header
    return {}


def _stage_items(stage: Stage, items: Sequence[Item], with_originals: bool, steps: _Steps) -> None:
    def rank(item: Item) -> int:
        return _ORDER.index(item.series.kind) if item.series.kind in _ORDER else len(_ORDER)

    for item in sorted(items, key=rank):
        steps(f"packing a {item.series.kind}")
        _stage_item(stage, item)
        if with_originals:
            _keep_originals(stage, item, "original file", "its original files are not there")


def _stage_item(stage: Stage, item: Item) -> None:
    """Pack one series; whatever goes wrong, its bytes are kept and the report says so."""
    before = len(stage.entries), len(stage.objects)
    try:
        _pack_kind(stage, item)
    except Unavailable:
        raise
    except (VasculumError, OSError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        if getattr(error, "errno", None) in _DISK_FULL:
            raise
        del stage.entries[before[0] :], stage.objects[before[1] :]
        stage.written.pop(item.series.id, None)
        reason = error.message if isinstance(error, VasculumError) else f"it cannot be read ({type(error).__name__})"
        stage.leave_out(item.series, f"{reason}; its original files are in the file")
        _keep_originals(
            stage, item, "original file of what could not be packed", f"{reason}; nor are its files there"
        )


def _pack_kind(stage: Stage, item: Item) -> None:
    kind = item.series.kind
    if kind in VOXEL_KINDS and item.voxels is not None:
        add_volume(stage, item)
    elif kind is Kind.SEGMENTATION and item.voxels is not None:
        add_segmentation(stage, item)
    elif kind in PACKERS:
        PACKERS[kind](stage, item)
    else:
        add_originals(stage, item, f"{kind} as it came")
        if kind in VOXEL_KINDS or kind is Kind.SEGMENTATION:
            stage.leave_out(item.series, "it has no voxels: it is in the file, but not in the scene")


def _keep_originals(stage: Stage, item: Item, what: str, otherwise: str) -> None:
    try:
        add_originals(stage, item, what)
    except (NotFound, LookupError, OSError):
        stage.leave_out(item.series, otherwise)


def _stage_whole(stage: Stage, record: Mapping[str, Any]) -> None:
    """Stage what belongs to the whole: record, scene, DICOM directory."""
    name = stage.names.data(RECORD_LABEL, ".json")
    stage.path_of(name).write_bytes(encode(record))
    stage.add_made(None, name, "metadata record", "application/json")
    text = SceneObject(tag="Text", name=RECORD_LABEL, file=name.removeprefix(f"{stage.names.root}/"))
    stage.objects.append(text)
    scene = write_scene(stage.objects, subject=_patient(stage), studies=[_branch(s) for s in stage.studies])
    stage.path_of(stage.names.scene).write_bytes(scene)
    stage.add_made(None, stage.names.scene, "scene for 3D Slicer", "application/xml")
    images = [entry.name for entry in stage.entries if entry.name.startswith("DICOM/")]
    if images:
        from vasculum.dicom.fileset import write_dicomdir

        write_dicomdir(stage.folder, images)
        stage.add_made(None, "DICOMDIR", "DICOM directory", DICOM_TYPE)


def _patient(stage: Stage) -> Branch:
    subject = stage.subject
    attributes = {
        "DICOM.PatientID": subject.label,
        "vasculum.subject": subject.id,
        "vasculum.kind": str(subject.kind),
    }
    return Branch(id=subject.id, name=subject.label, uid=subject.label, attributes=attributes)


def _branch(study: Study) -> Branch:
    name = study.label or study.date or "Study"
    attributes = {"DICOM.StudyInstanceUID": study.uid, "DICOM.StudyDate": study.date.replace("-", "")}
    return Branch(id=study.id, name=name, uid=study.uid, attributes={k: v for k, v in attributes.items() if v})


def _write_zip(
    partial: Path, stage: Stage, activities: Sequence[Activity], software: str, steps: _Steps
) -> tuple[PackedMember, ...]:
    """Write the members; each file is read once. The small ones that programs ask for first come first."""
    steps("writing the file")
    members = []
    with ContainerWriter(partial, when=stage.when) as writer:
        for entry in sorted(stage.entries, key=lambda e: (e.name != "DICOMDIR", e.name != stage.names.scene)):
            added = writer.add_file(entry.name, entry.path, aligned=entry.aligned)
            members.append(
                PackedMember(
                    name=entry.name,
                    size=added.size,
                    sha256=added.sha256,
                    what=entry.what,
                    media_type=entry.media_type,
                    series=entry.series,
                    original_name=entry.original_name,
                )
            )
            if entry.path.is_relative_to(stage.folder):
                entry.path.unlink()
        crate = write_crate(members, subject=stage.subject, activities=activities, when=stage.when, software=software)
        added = writer.add_bytes(CRATE_NAME, crate)
        members.append(
            PackedMember(
                name=CRATE_NAME,
                size=added.size,
                sha256=added.sha256,
                what="RO-Crate metadata",
                media_type="application/ld+json",
            )
        )
    return tuple(members)


def _verify(partial: Path, steps: _Steps) -> None:
    """Read back what was written; the first error is the end of it."""
    from .check import check

    steps("reading it back")
    errors = [finding for finding in check(partial) if finding.severity is Severity.ERROR]
    if errors:
        raise Integrity(
            f"the file that was written is not sound: {errors[0].text}", hint="check the disk, pack again"
        )


def _publish(partial: Path, target: Path) -> None:
    """Flush the file, give it its name, flush the folder."""
    from vasculum.store.durable import flush, fsync_folder, publish

    with partial.open("rb+") as stream:
        flush(stream.fileno())
    publish(partial, target)
    fsync_folder(target.parent)
