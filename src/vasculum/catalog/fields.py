"""The names that a query may use, and which of them mean the same."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "id": "id of the series, its study or its subject",
        "uid": "Series Instance UID",
        "study-uid": "Study Instance UID",
        "instance-uid": "SOP Instance UID of one of its instances",
        "project": "name of the project",
        "subject": "label of the subject (PatientID, catalogue number)",
        "subject-kind": "patient, animal or specimen",
        "issuer": "issuer of the subject's label",
        "study": "label of the study",
        "study-date": "date of the study, YYYY-MM-DD",
        "label": "label of the series",
        "kind": "volume, image, segmentation, landmarks, mesh, transform, table, report, scene or document",
        "format": "dicom, nrrd, nifti ...",
        "modality": "CT, MR, PT ...",
        "imported": "day of the import, YYYY-MM-DD",
        "voxel": "largest voxel spacing in millimetres",
        "slices": "slices of the volume",
        "rows": "rows of a slice",
        "columns": "columns of a slice",
        "segments": "number of segments",
        "segment": "name of a segment",
        "segment-type": "coded type of a segment",
        "landmarks": "number of landmarks placed",
        "landmark": "name of a landmark",
        "files": "number of files",
        "size": "bytes of all files",
        "finding": "code of a finding, such as gantry-tilt",
    }
)
"""Built-in fields and what they mean."""

_SAME = {
    "species": ("PatientSpeciesDescription", "scientificName"),
    "strain": ("StrainDescription",),
    "sex": ("PatientSex",),
    "age": ("PatientAge",),
    "weight": ("PatientWeight",),
    "subject": ("PatientID",),
    "issuer": ("IssuerOfPatientID",),
    "uid": ("SeriesInstanceUID",),
    "study-uid": ("StudyInstanceUID",),
    "instance-uid": ("SOPInstanceUID",),
}

_PREFIX = re.compile(r"^(dwc|dwciri|dcterms|dc):", re.IGNORECASE)
_SEPARATOR = re.compile(r"[-_ ]")


def folded(name: str) -> str:
    """Fold a field name: case, ``-``, ``_`` and the Darwin Core prefix do not matter."""
    return _SEPARATOR.sub("", _PREFIX.sub("", name)).casefold()


_CANONICAL = {folded(alias): folded(name) for name, aliases in _SAME.items() for alias in aliases}
_BUILT_IN = {folded(name): name for name in BUILT_IN}
ALIASES: tuple[str, ...] = tuple(alias for aliases in _SAME.values() for alias in aliases) + tuple(_SAME)


@lru_cache(maxsize=20_000)
def canonical(name: str) -> str:
    """Give the key under which a field is indexed: ``PatientSpeciesDescription`` and ``dwc:scientificName`` are ``species``."""
    key = folded(name)
    return _CANONICAL.get(key, key)


def display(name: str) -> str:
    """Give the name that people see for the field of this name."""
    key = canonical(name)
    return _BUILT_IN.get(key, key if key in _SAME else name)


def is_date(key: str) -> bool:
    """Say whether a canonical key holds dates, which compare by prefix."""
    return key == "imported" or key.endswith(("date", "datetime"))


def is_known(name: str) -> bool:
    """Say whether a name is built in, an alias, or a DICOM keyword or tag."""
    from vasculum.dicom.dictionary import is_attribute

    key = folded(name)
    return key in _BUILT_IN or key in _CANONICAL or key in _SAME or is_attribute(key)


def nearest(name: str, names: Iterable[str]) -> str:
    """Give the known name that is most like a mistyped one, or an empty string."""
    by_key = {folded(n): n for n in names}
    match = difflib.get_close_matches(folded(name), by_key, n=1, cutoff=0.6)
    return by_key[match[0]] if match else ""
