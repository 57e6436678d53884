"""What a file holds, said without loading its voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .codes import Code
from .geometry import Geometry, Vector
from .kinds import Kind, Severity

Value = str | int | float
"""A single header value."""

Attributes = Mapping[str, tuple[Value, ...]]
"""Every header field by name: a DICOM keyword (``SliceThickness``; nested ones as ``Outer.Inner``; unknown
and private ones as ``ggggeeee`` or ``Creator:ee``), or ``<format>.<key>`` (``nrrd.content``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something worth telling a person about a file or a series."""

    code: str
    """A stable word for programs, such as ``needs-voxel-size``, ``gantry-tilt``, ``missing-slices``."""
    text: str
    """One sentence for people, with the numbers. Never a name or an identifier of a person."""
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that belongs to a description: its name and what it does there."""

    name: str
    """Path relative to the folder of the first part, with forward slashes."""
    role: str = "data"
    """``data`` (default), ``header``, ``voxels``, ``sidecar`` (log, bval, mtl ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A run of voxels in one part: the whole array, or one frame of it."""

    part: str
    """Name of the `Part` that holds the bytes."""
    offset: int = 0
    """First byte; for encodings that are decoded by a library (``image``, ``dicom``), 0."""
    length: int | None = None
    """Bytes, or None to the end of the part."""
    frame: int = 0
    """Frame or page number within the part, from 0."""
    skip: int = 0
    """Bytes to drop after decompression; -1: the voxels are the last bytes of what comes out."""
    slope: float | None = None
    intercept: float | None = None
    """Rescale of this frame where it differs from that of the array (PET)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voxels:
    """How an array is stored, and how its numbers become values."""

    dtype: str
    """numpy type of the stored numbers with byte order: ``<i2``, ``>f4``, ``|u1``."""
    axes: str
    """Order of the array that a reader returns: ``kji``, ``tkji`` (time), ``kjic`` (colour, vector), ``tkjic``.
    Multi-layer segmentations are ``tkji`` with the layer as t."""
    sizes: tuple[int, ...]
    """Length of each axis, in the order of `axes`."""
    encoding: str = "raw"
    """``raw``, ``gzip``, ``bzip2``, ``text``, ``hex``, ``zlib``, ``dicom`` (encapsulated), ``image`` (TIFF, PNG ...)."""
    order: str = ""
    """Order of the axes as stored, slowest first, where it differs from `axes` (an NRRD with the vector axis
    first and fastest is stored ``kjic``; one with the gradient axis last is stored ``tkji``). Empty: as `axes`."""
    blocks: tuple[Block, ...] = ()
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    """UCUM or DICOM Rescale Type of the values: ``[hnsf'U]``, ``HU``; empty if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of a segmentation."""

    number: int
    """DICOM Segment Number, or position, from 1."""
    name: str
    label_value: int
    layer: int = 0
    id: str = ""
    color: Vector | None = None
    """Red, green, blue, each 0 to 1."""
    category: Code | None = None
    type: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """Further tags exactly as they came (Slicer's ``SegmentN_Tags``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A named point (control point of a Slicer markup, SCOORD3D POINT)."""

    label: str
    position: Vector
    """LPS millimetres, doubles."""
    id: str = ""
    description: str = ""
    defined: bool = True
    """False for a point that is missing or was not placed yet; its position means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Another object that this one names."""

    target: str
    """A path relative to the file that names it (forward slashes), or a DICOM UID."""
    how: str
    """``path``, ``series-uid``, ``instance-uid``, ``frame-of-reference``."""
    role: str = ""
    """What it is to us: ``source-image``, ``scene-member`` ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomIdentity:
    """The identifiers and the few header values by which DICOM files are sorted into series."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What one file, or a group of files that belong together, holds."""

    format: str
    """Name of the format that read it: ``dicom``, ``nrrd``, ``nifti``, ``markups-json`` ..."""
    kind: Kind
    parts: tuple[Part, ...]
    """Files it consists of, the one with the header first. Slices in spatial order."""
    title: str = ""
    """A short name for people, from the header or the file name; never a person's name."""
    modality: str = ""
    """DICOM Modality code (CT, MR, PT, SEG ...) where known."""
    geometry: Geometry | None = None
    voxels: Voxels | None = None
    segments: tuple[Segment, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    findings: tuple[Finding, ...] = ()
    dicom: DicomIdentity | None = None
    """Set for DICOM: of the file, or of the first instance of a series."""
    header: bytes = b""
    """The whole header where it has a form of its own: zstd-compressed DICOM JSON (PS3.18 Annex F). Of a series:
    the elements that are equal in all instances."""
    differences: bytes = b""
    """Of a DICOM series: zstd-compressed JSON list, one object per part, of the elements that are not in `header`."""
    instances: tuple[DicomIdentity, ...] = ()
    """Of a DICOM series: the identity of every part, in the order of `parts`."""
    members: tuple[str, ...] = ()
    """For a container (MRB, zip): names of the files inside that are to be read in turn."""
