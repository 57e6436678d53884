"""Subjects, grids and volumes that the tests of DICOM writing share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.dicom import conformance
from vasculum.dicom.enhance import write_volume
from vasculum.dicom.subject import Context
from vasculum.dicom.uids import uid_from
from vasculum.dicom.write import Written
from vasculum.model.geometry import RAS_FROM_LPS, Geometry
from vasculum.model.kinds import SubjectKind

WHEN = datetime(2026, 11, 22, 12, 30)
STRAIN = "BKS.Cg-Dock7m +/+ Leprdb/J"
MUSEUM_ID = "UWBM:Mamm:0082411"

MOUSE: Mapping[str, Any] = {
    "species": "Mus musculus",
    "strain": STRAIN,
    "rrid": "IMSR_JAX:000642",
    "strain nomenclature": "MGI_2013",
    "genotype": ["Lepr<db>/Lepr<db> (homozygous)", "Dock7<m>/+"],
    "catalogNumber": MUSEUM_ID,
    "institutionCode": "UWBM",
    "accession": "2019-0702-a long museum accession",
    "ear tag": "R2L1",
    "sex": "male",
    "age": "8 weeks",
    "weight": "24.1 g",
    "fixative": "10% NBF",
    "stain": "I2KI",
    "dwc:locality": "Ñandú, 日本",
    "investigator": "Example^Ada",
    "sponsor": "Example Fund",
    "protocol id": "P-17",
    "iacuc": "4321-01",
    "time point": "W8",
    "path": "C:\\raw\\x",
}


def context(
    kind: SubjectKind = SubjectKind.SPECIMEN,
    label: str = MUSEUM_ID,
    metadata: Mapping[str, Any] = MOUSE,
    **more: Any,
) -> Context:
    """Give what the objects of one subject share: a knockout mouse of a museum unless told otherwise."""
    given: dict[str, Any] = {
        "study_uid": uid_from("study", label),
        "study_label": "Skull",
        "study_date": "2026-11-22",
        "record": {"subject": {"label": label, "metadata": dict(metadata)}},
    }
    return Context(subject_label=label, subject_kind=kind, issuer="UWBM", subject_metadata=metadata, **(given | more))


def oblique(shape: tuple[int, int, int] = (5, 8, 7), spacing: tuple[float, float, float] = (1, 2, 2.5)) -> Geometry:
    """Give a right-handed grid that is turned by 20° and 35°."""
    a, b = np.deg2rad((20, 35))
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(spacing)
    affine[:3, 3] = (-10.123456789, 55.5, 7)
    return Geometry.from_affine(affine, shape)


def values(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Give numbers that fill a good part of a type."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng(5)
    if kind.kind == "f":
        return rng.normal(size=shape).astype(kind)
    low, high = max(np.iinfo(kind).min, -30000), min(np.iinfo(kind).max, 60000)
    return rng.integers(low, high, size=shape, endpoint=True).astype(kind)


def write(path: Path, array: NDArray[Any], geometry: Geometry, modality: str = "CT", **more: Any) -> Written:
    """Write a volume in slabs of three slices."""
    given: dict[str, Any] = {
        "context": context(),
        "axes": "kji",
        "series_uid": uid_from("series", path.name),
        "series_number": 1,
        "label": path.name,
        "sop_instance_uid": uid_from("instance", path.name),
        "when": WHEN,
    }
    slabs = (array[k : k + 3] for k in range(0, len(array), 3))
    return write_volume(path, slabs, geometry=geometry, dtype=array.dtype, modality=modality, **(given | more))


def from_nibabel(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read a NIfTI by nibabel: (k, j, i) array and right-handed LPS geometry."""
    import nibabel as nib

    image = nib.load(path)
    array = np.asarray(image.dataobj).T
    return right_handed(array, RAS_FROM_LPS @ image.affine)


def right_handed(array: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], Geometry]:
    """Reverse k where that makes the grid right-handed."""
    if np.linalg.det(affine[:3, :3]) < 0:
        affine = affine.copy()
        affine[:3, 3] += affine[:3, 2] * (len(array) - 1)
        affine[:3, 2] *= -1
        array = array[::-1]
    return array, Geometry.from_affine(affine, array.shape)


def stored(written: Written, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read the voxels as a detached NRRD header would: at the offset, without knowing DICOM."""
    raw = written.path.read_bytes()[written.pixel_offset : written.pixel_offset + written.pixel_length]
    return np.frombuffer(raw, written.dtype).reshape(shape)


def assert_conformant(path: Path, geometry: Geometry | None = None) -> None:
    """No error of dciodvfy, and frames where the geometry says."""
    errors = conformance.dciodvfy(path)
    assert not errors, "\n".join(errors)
    if geometry is not None:
        problems = conformance.geometry_problems(path, geometry)
        assert not problems, "\n".join(problems)


def itk_affine(image: Any) -> NDArray[np.float64]:
    """Give the (i, j, k) → LPS matrix of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return affine
