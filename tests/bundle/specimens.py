"""Items built by hand: what a repository would give to `pack`, from files on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.bundle import Item
from vasculum.bundle import pack as pack_bundle
from vasculum.bundle.report import PackReport
from vasculum.formats import registry
from vasculum.formats.nrrd import write
from vasculum.model.description import Description
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import SubjectKind
from vasculum.model.records import Activity, Agent, Blob, Series, StoredFile, Study, Subject

WHEN = datetime(2026, 3, 1, 12, 30, 40, tzinfo=UTC)
STRAIN = "BKS.Cg-Dock7m +/+ Leprdb/J"
HARD_STRINGS = (
    STRAIN,
    "UWBM:Mamm:0082411",
    "Ñandú",
    "日本",
    "a;b%25c % \"q\" <x> & 'y' ^|z:",
    "tab\tnl\nend",
    "C:\\raw\\50%20x",
)
"""Story S6: strings that come back exactly."""

SUBJECT = Subject(
    id="subject-01",
    project="project-1",
    label=STRAIN,
    kind=SubjectKind.SPECIMEN,
    metadata={
        "species": "Mus musculus",
        "strain": STRAIN,
        "catalogue_number": "UWBM:Mamm:0082411",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        **{f"hard_{n}": text for n, text in enumerate(HARD_STRINGS)},
    },
)
STUDY = Study(id="study-01", subject=SUBJECT.id, uid="2.25.7001", label="first scan; 100 %", date="2024-02-03")
ACTIVITY = Activity(
    id="activity-1",
    type="import",
    started=WHEN,
    agent=Agent(name="vasculum", version="1.0"),
    generated=("series-00000000",),
)


def item_of(path: Path, number: int, *, label: str = "", sources: tuple[str, ...] = (), **changes: Any) -> Item:
    """Describe one file and make it a series of `STUDY`."""
    return described(registry.describe(path), lambda name: path.parent / name, number, label, sources, **changes)


def described(
    description: Description,
    locate: Callable[[str], Path],
    number: int,
    label: str = "",
    sources: tuple[str, ...] = (),
    **changes: Any,
) -> Item:
    """Make an item of a description."""
    made = registry.format_named(description.format)
    headers = changes.pop("headers", ())
    fields: dict[str, Any] = {
        "id": series_id(number),
        "study": STUDY.id,
        "subject": SUBJECT.id,
        "uid": f"2.25.{8000 + number}",
        "kind": description.kind,
        "format": description.format,
        "label": label or description.title,
        "modality": description.modality,
        "geometry": description.geometry,
        "voxels": description.voxels,
        "segments": description.segments,
        "landmarks": description.landmarks,
        "files": tuple(
            StoredFile(name=p.name, role=p.role, blob=Blob(sha256="00", size=1), source="/home/of/a/person")
            for p in description.parts
        ),
    }
    return Item(
        series=Series(**(fields | changes)),
        description=description,
        voxels=(lambda: made.read_voxels(description, locate)) if description.voxels else None,  # type: ignore[attr-defined]
        locate=locate,
        headers=headers,
        sources=sources,
    )


def dicom_item(folder: Path, number: int, label: str = "") -> Item:
    """Make an item of a folder that holds one classic DICOM series."""
    from vasculum.dicom.json import unpack_json
    from vasculum.formats.dicom import DicomFormat

    reader = DicomFormat()
    files = {path.name: reader.describe(path) for path in sorted(folder.iterdir())}
    (series,) = reader.assemble(files)
    headers = [unpack_json(files[part.name].header) for part in series.parts]
    return described(series, lambda name: folder / name, number, label, headers=headers)


def series_id(number: int) -> str:
    """Id of the series of an item."""
    return f"series-{number:08d}"


def pack(target: Path, items: Sequence[Item], **changes: Any) -> PackReport:
    """Pack items as series of `STUDY`."""
    given: dict[str, Any] = {
        "subject": SUBJECT,
        "studies": [STUDY],
        "when": WHEN,
        "software": "vasculum 1.0",
        "activities": [ACTIVITY],
    }
    return pack_bundle(target, items=items, **(given | changes))


def oblique(left_handed: bool = False) -> NDArray[np.float64]:
    """An affine turned by 20 and 35 degrees with voxels of 1 × 2 × 2.5 mm."""
    a, b = math.radians(20), math.radians(35)
    first = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    second = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = first @ second @ np.diag([1, 2, -2.5 if left_handed else 2.5])
    affine[:3, 3] = (-12.25, 33.1, 7)
    return affine


def nrrd_file(path: Path, array: NDArray[Any], affine: NDArray[np.float64] | None, axes: str = "kji") -> Path:
    """Write an NRRD to pack."""
    shape = tuple(array.shape[axes.index(axis)] for axis in "kji")
    geometry = None if affine is None else Geometry.from_affine(affine, (shape[0], shape[1], shape[2]))
    write(path, array, geometry, axes=axes)
    return path
