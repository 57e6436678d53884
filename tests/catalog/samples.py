"""Small records for the tests of the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from vasculum.catalog import Writer
from vasculum.model.codes import Code
from vasculum.model.description import Description, Finding, Landmark, Part, Segment
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, SubjectKind
from vasculum.model.records import Blob, Project, Series, StoredFile, Study, Subject

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
STRAIN = "BKS.Cg-Dock7m +/+ Leprdb/J"
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def grid(spacing: float, slices: int = 10) -> Geometry:
    return Geometry(
        shape=(slices, 20, 30), spacing=(spacing, spacing, spacing), origin=(0.0, 0.0, 0.0), direction=AXES
    )


def record(
    name: str,
    kind: Kind = Kind.VOLUME,
    *,
    subject: str = "mouse",
    study: str = "",
    attributes: Any = None,
    **more: Any,
) -> tuple[Series, Description]:
    """Make a series of that id and label with a description that agrees with it."""
    series = Series(
        id=name,
        study=study or f"{subject}-study",
        subject=subject,
        uid=f"2.25.{sum(name.encode('utf-8', 'surrogateescape'))}",
        kind=kind,
        **{"format": "nrrd", "label": name, "imported": NOW, **more},
    )
    description = Description(
        format=series.format,
        kind=kind,
        parts=(Part(name=f"{name}.nrrd"),),
        title=series.label,
        modality=series.modality,
        geometry=series.geometry,
        segments=series.segments,
        landmarks=series.landmarks,
        attributes=attributes or {},
    )
    return series, description


def put(writer: Writer, *records: tuple[Series, Description]) -> None:
    for series, description in records:
        writer.put_series(series, description)


def put_subject(
    writer: Writer, name: str = "mouse", *, label: str = "", date: str = "2019-03-02", **more: Any
) -> None:
    """Put a project, a subject and its study."""
    writer.put_project(Project(id="p1", name="skulls"))
    writer.put_subject(Subject(id=name, project="p1", label=label or name, **more))
    writer.put_study(Study(id=f"{name}-study", subject=name, uid=f"1.2.{len(name)}", label="scan day", date=date))


def stored(name: str, content: int, size: int = 10) -> StoredFile:
    return StoredFile(name=name, role="data", blob=Blob(sha256=f"{content:064x}", size=size), source=f"/in/{name}")


def colony(writer: Writer) -> None:
    """Put a mouse with a CT, its cleaned volume, a segmentation, landmarks and a mesh; and a patient with two series."""
    put_subject(writer, "mouse", label=STRAIN, metadata={"species": "Mus musculus", "strain": STRAIN, "age": 12})
    put_subject(
        writer, "patient", label="P-007", date="2021-06-30", kind=SubjectKind.PATIENT, metadata={"PatientSex": "F"}
    )
    mandible = Code(value="91609006", scheme="SCT", meaning="Mandible")
    segments = (
        Segment(number=1, name="lower jaw", label_value=1, type=mandible),
        Segment(number=2, name="mandible left", label_value=2),
    )
    points = tuple(Landmark(label=f"LM{n}", position=(float(n), 0.0, 0.0), defined=n != 3) for n in range(1, 14))
    ct = {
        "SliceThickness": ("0.02",),
        "KVP": (120,),
        "Manufacturer": ("Bruker",),
        "ImageType": ("ORIGINAL", "PRIMARY"),
        "InstanceNumber": tuple(range(1, 1001)),
        "SeriesDate": ("20190302",),
    }
    put(
        writer,
        record("ct", modality="CT", geometry=grid(0.02, 1000), attributes=ct, voxel_print="aa"),
        record("clean", geometry=grid(0.04, 500), sources=("ct",), voxel_print="bb"),
        record("skull", Kind.SEGMENTATION, format="seg-nrrd", segments=segments, sources=("clean",)),
        record("points", Kind.LANDMARKS, format="markups-json", landmarks=points, sources=("ct",)),
        record("jaw", Kind.MESH, format="ply", label="jaw — Kiefer 日本", sources=("skull",)),
        record(
            "head",
            subject="patient",
            modality="CT",
            geometry=grid(1.5, 30),
            findings=(Finding(code="gantry-tilt", text="The gantry was tilted by 12 degrees."),),
            attributes={
                "SliceThickness": ("1.5",),
                "KVP": ("100",),
                "PatientID": ("P-007",),
                "StudyDate": ("20210630",),
            },
        ),
        record("brain", subject="patient", modality="MR", geometry=grid(2.5, 60), attributes={"EchoTime": (0.0025,)}),
    )
    writer.put_files("ct", [stored("a.tif", 1), stored("b.tif", 2, 90)])
    writer.put_files("head", [stored("I1.dcm", 3)])
