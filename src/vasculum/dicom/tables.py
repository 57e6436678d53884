"""Small tables of the standard that reading needs: value representations, names of elements, what each SOP class holds."""

from __future__ import annotations

from functools import cache

from vasculum.model.kinds import Kind

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
"""Deflated Image Frame Compression: every frame is deflated by itself (PS3.5 A.4.13)."""

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value representations with a 32-bit length in explicit encoding (PS3.5 table 7.1-1)."""

SHORT_VRS = frozenset(
    {
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    }
)

BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

SIGN_DEPENDENT = frozenset(
    {
        *(0x00189810, 0x00221452, 0x00280104, 0x00280105, 0x00280106, 0x00280107, 0x00280108, 0x00280109),
        *(0x00280110, 0x00280111, 0x00280120, 0x00280121, 0x00281101, 0x00281102, 0x00281103, 0x00283002),
        *(0x00409211, 0x00409216, 0x00603004, 0x00603006),
    }
)
"""Elements whose representation is ``US or SS``, by Pixel Representation."""

_P = "1.2.840.10008.5.1.4.1.1."

VOLUME_CLASSES = frozenset(
    _P + tail
    for tail in (
        *("2", "2.1", "2.2", "4", "4.1", "4.3", "4.4", "20", "128", "128.1", "130", "481.2", "30"),
        *("13.1.1", "13.1.2", "13.1.3", "6.2", "77.1.5.4", "200.1"),
    )
)
"""SOP classes whose pixels lie on a grid in space."""

_KINDS: dict[str, Kind] = {
    _P + "66.4": Kind.SEGMENTATION,
    _P + "66.7": Kind.SEGMENTATION,
    _P + "481.3": Kind.SEGMENTATION,
    _P + "66.1": Kind.TRANSFORM,
    _P + "66.3": Kind.TRANSFORM,
    _P + "66.2": Kind.LANDMARKS,
    _P + "66.5": Kind.MESH,
    _P + "104.3": Kind.MESH,
    _P + "104.4": Kind.MESH,
    _P + "67": Kind.REPORT,
    _P + "91.1": Kind.REPORT,
}
_REPORT_PREFIXES = tuple(_P + tail for tail in ("88.", "11.", *(f"481.{n}" for n in range(4, 10))))

SEGMENTATION = _P + "66.4"
LABEL_MAP_SEGMENTATION = _P + "66.7"
STRUCTURE_SET = _P + "481.3"
RT_DOSE = _P + "481.2"
PARAMETRIC_MAP = _P + "30"
NUCLEAR_MEDICINE = _P + "20"
DIRECTORY = "1.2.840.10008.1.3.10"
STRUCTURED_REPORTS = _P + "88."
SECONDARY_CAPTURE = _P + "7"


def kind_of(sop_class_uid: str, has_pixels: bool) -> Kind:
    """Say what instances of a SOP class hold."""
    if sop_class_uid in _KINDS:
        return _KINDS[sop_class_uid]
    if sop_class_uid.startswith(_REPORT_PREFIXES):
        return Kind.REPORT
    if sop_class_uid in VOLUME_CLASSES and has_pixels:
        return Kind.VOLUME
    return Kind.IMAGE if has_pixels or is_image(sop_class_uid) else Kind.DOCUMENT


@cache
def is_image(sop_class_uid: str) -> bool:
    """True for the SOP classes of images, by their name in PS3.6."""
    from pydicom.uid import UID_dictionary

    return "Image Storage" in UID_dictionary.get(sop_class_uid, ("",))[0]


@cache
def _standard() -> dict[int, tuple[str, str]]:
    """Value representation and keyword of every element of PS3.6."""
    from pydicom.datadict import DicomDictionary

    return {int(tag): (str(row[0]), str(row[4])) for tag, row in DicomDictionary.items()}


@cache
def _private(creator: str) -> dict[str, str]:
    """Representation of the private elements of a creator, by ``ggggxxee``."""
    from pydicom.datadict import private_dictionaries

    rows = private_dictionaries.get(creator, {})
    return {mask.lower(): str(row[0]) for mask, row in rows.items()}


def standard_entry(tag: int) -> tuple[str, str]:
    """Give (VR, keyword) of a standard element; empty strings if the standard does not have it.

    Repeating groups (curves 50xx, overlays 60xx; PS3.5 section 7.6) count as their first group.
    """
    table = _standard()
    entry = table.get(tag)
    if entry is None and (tag >> 24) in (0x50, 0x60):
        return _repeating(tag)
    return entry or ("UL" if not tag & 0xFFFF else "", "")


@cache
def _repeating(tag: int) -> tuple[str, str]:
    from pydicom.datadict import dictionary_keyword, dictionary_VR

    try:
        return dictionary_VR(tag), dictionary_keyword(tag)
    except KeyError:
        return "", ""


def private_vr(tag: int, creator: str) -> str:
    """Give the representation of a private element where a dictionary knows it; else ``UN``."""
    rows = _private(creator)
    group, element = tag >> 16, tag & 0xFF
    for mask in (f"{group:04x}xx{element:02x}", f"{tag:08x}"):
        if mask in rows:
            return rows[mask].split(" or ")[-1]
    return "UN"
