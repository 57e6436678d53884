"""NIfTI-1 and NIfTI-2: ``.nii``, ``.nii.gz``, ``.hdr``/``.img`` pairs; and Analyze 7.5."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats import nifti_header as headers
from vasculum.formats.base import Head, Locate
from vasculum.formats.nifti_header import Header
from vasculum.formats.nifti_writing import write
from vasculum.formats.plausible import label_map_hint, plausibility
from vasculum.formats.rawvoxels import GZIP_MAGIC, block_at, read_array, unmet
from vasculum.model.description import Block, Description, Finding, Part, Voxels
from vasculum.model.kinds import Kind, Severity

__all__ = ["FORMATS", "Nifti", "stem_of", "write"]

DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
    32: "f4", 1792: "f8", 128: "u1", 2304: "u1",
}  # fmt: skip
"""numpy type by datatype code; complex and colour types by the type of their components."""

COMPONENTS = {32: 2, 1792: 2, 128: 3, 2304: 4}
"""Interleaved components per voxel: complex (real, imaginary), RGB, RGBA."""

DISPLACEMENT, LABELS = 1006, 1002
"""Intent codes NIFTI_INTENT_DISPVECT and NIFTI_INTENT_LABEL."""

SIDECARS = (".json", ".bval", ".bvec")


class Nifti:
    """The format ``nifti``."""

    name = "nifti"

    def recognises(self, head: Head) -> bool:
        """True for the NIfTI signature, also under gzip; for Analyze, a ``.hdr`` of the right length with its image."""
        start = headers.inflated_start(head.start)
        if headers.starts_like_nifti(start):
            return True
        if not head.suffixes.endswith((".hdr", ".hdr.gz")):
            return False
        return headers.is_analyze(start) and _image_of(head.path) is not None

    def describe(self, path: Path) -> Description:
        """Describe a NIfTI file or pair; attributes are ``nifti.<field>``. See `Format.describe`."""
        header = headers.read_header(path)
        placed = headers.placement(header)
        image = path.name if header.single else _image_of(path)
        voxels = _voxels(header, path, image or "")
        findings = [*placed.findings, *unmet(voxels, path.parent)]
        kind = _kind(header, placed.oriented)
        hint = label_map_hint(path.name, voxels.dtype) if header.integer("intent_code") != LABELS else _labels()
        findings += [finding for finding in (hint, plausibility(placed.geometry)) if finding]
        stem = stem_of(path.name)
        others = [image] if image and image != path.name else []
        beside = [stem + suffix for suffix in SIDECARS if (path.parent / (stem + suffix)).is_file()]
        return Description(
            format=self.name,
            kind=kind,
            parts=(
                Part(name=path.name, role="data" if header.single else "header"),
                *(Part(name=name, role="voxels") for name in others),
                *(Part(name=name, role="sidecar") for name in beside),
            ),
            title=stem,
            geometry=placed.geometry,
            voxels=voxels,
            attributes=headers.attributes_of(header),
            findings=tuple(findings),
        )

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the voxels after slope and intercept; see `rawvoxels.read_array`."""
        assert description.voxels is not None
        return read_array(description.voxels, locate)


FORMATS = (Nifti(),)


def stem_of(name: str) -> str:
    """Take ``.nii``, ``.nii.gz``, ``.hdr`` ... off a file name."""
    return re.sub(r"\.(nii|hdr|img)(\.gz)?$", "", name, flags=re.IGNORECASE)


def _image_of(path: Path) -> str | None:
    """Find the image file of a ``.hdr``: the same name with ``.img`` or ``.img.gz``, in the same case."""
    stem = stem_of(path.name)
    ending = path.name[len(stem) :]
    lower = [".img", ".img.gz"]
    for suffix in [*lower, *(s.upper() for s in lower)] if ending.isupper() else lower:
        if (path.parent / (stem + suffix)).is_file():
            return stem + suffix
    return None


def _labels() -> Finding:
    text = "the header says that this is a label map; it names no segments, so it is kept as a volume"
    return Finding(code="maybe-label-map", text=text, severity=Severity.NOTE)


def _kind(header: Header, oriented: bool) -> Kind:
    if header.integer("intent_code") == DISPLACEMENT:
        return Kind.TRANSFORM
    flat = headers.sizes_of(header)[2] == 1 and not oriented
    return Kind.IMAGE if flat else Kind.VOLUME


def _voxels(header: Header, path: Path, image: str) -> Voxels:
    code = header.integer("datatype")
    if code not in DTYPES:
        raise Unsupported(f"NIfTI of data type {code} is not read")
    i, j, k, t, *further = headers.sizes_of(header)
    inner, outer = COMPONENTS.get(code, 1), math.prod(further)
    if inner > 1 and outer > 1:
        raise Unsupported("NIfTI vectors of colours or complex numbers are not read")
    # Components of colours are the fastest axis, those of vectors (dimension 5 and on) the slowest.
    times, last, first = "t" * (t > 1), "c" * (inner > 1), "c" * (outer > 1)
    axes, order = f"{times}kji{last or first}", f"{first}{times}kji{last}"
    length = {"t": t, "k": k, "j": j, "i": i, "c": inner * outer}
    slope, intercept = _rescale(header, code)
    dtype = DTYPES[code]
    return Voxels(
        dtype=("|" if dtype.endswith("1") else header.order) + dtype,
        axes=axes,
        sizes=tuple(length[axis] for axis in axes),
        encoding="gzip" if _packed(path.parent / image) else "raw",
        order="" if order == axes else order,
        blocks=(_block(header, path, image),),
        slope=slope,
        intercept=intercept,
    )


def _packed(path: Path) -> bool:
    if not path.is_file():
        return path.name.lower().endswith(".gz")
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def _block(header: Header, path: Path, image: str) -> Block:
    offset = header.number("vox_offset")
    if not math.isfinite(offset) or offset < 0 or offset > 2**62:
        raise Unreadable("the NIfTI header has no valid offset of the voxels")
    start = max(int(offset), header.integer("sizeof_hdr") + 4) if header.single else int(offset)
    name = image or f"{stem_of(path.name)}.img"
    return block_at(name, 0, start, "gzip" if _packed(path.parent / name) else "raw")


def _rescale(header: Header, code: int) -> tuple[float, float]:
    slope, intercept = header.number("scl_slope"), header.number("scl_inter")
    if slope == 0 or not math.isfinite(slope) or code in {128, 2304}:
        return 1.0, 0.0
    return slope, intercept if math.isfinite(intercept) else 0.0
