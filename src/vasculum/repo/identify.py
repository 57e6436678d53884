"""Counting the files that carry a person's identity, so that nobody imports or shares one unawares (DESIGN 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vasculum.model.description import Attributes
from vasculum.repo.examine import Held

_NAMING = ("PatientName", "PatientBirthDate", "OtherPatientNames", "PatientAddress", "PatientTelephoneNumbers")
_CARRIERS = {
    "dicom": "DICOM header",
    "nrrd": "NRRD key",
    "segnrrd": "NRRD key",
    "nifti": "NIfTI header",
    "mrml": "MRML scene",
}


def count_identified(held: Sequence[Held]) -> Mapping[str, int]:
    """Count files by the kind of place in which a name or birth date stands. Never says which name."""
    counts: Counter[str] = Counter()
    for one in held:
        description = one.description
        if description is not None and carries_identity(description.attributes):
            counts[_CARRIERS.get(description.format, description.format)] += 1
    return dict(counts)


def carries_identity(attributes: Attributes) -> bool:
    """True where a field that names a person has a value."""
    return any(
        key.endswith(_NAMING) and any(str(v).strip(" ^=") for v in values) for key, values in attributes.items()
    )
