"""Counting the files that carry a person's identity, so that nobody imports or shares one unawares (DESIGN 9)."""

from __future__ import annotations

from vasculum.model.description import Attributes

_NAMING = (
    "PatientName",
    "PatientBirthDate",
    "OtherPatientNames",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "scan.User Name",
)
CARRIERS = {
    "dicom": "DICOM header",
    "nrrd": "NRRD key",
    "segnrrd": "NRRD key",
    "nifti": "NIfTI header",
    "mrml": "MRML scene",
    "scanlog": "scanner log",
}
"""What people call the place in which a name stands, by format."""


def carries_identity(attributes: Attributes) -> bool:
    """True where a field that names a person has a value."""
    return any(
        key.endswith(_NAMING) and any(str(v).strip(" ^=") for v in values) for key, values in attributes.items()
    )
