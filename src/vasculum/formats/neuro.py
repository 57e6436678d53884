"""Formats of neuroimaging laboratories that nibabel reads: MGH/MGZ, AFNI, Philips PAR/REC, MINC 1 and 2.

Headers and voxels come through nibabel, whose coordinates are RAS; here they become LPS.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head, Locate
from vasculum.formats.nifti_header import inflated_start
from vasculum.formats.plausible import label_map_hint, plausibility
from vasculum.formats.rawvoxels import DECODE_ERRORS, GZIP_MAGIC, check_ratio
from vasculum.model.description import Block, Description, Finding, Part, Value, Voxels
from vasculum.model.geometry import RAS_FROM_LPS, Geometry
from vasculum.model.kinds import Kind, Severity

MOST_BYTES = 16 * 1024**3
"""Largest array that is read through nibabel, which holds it in memory."""


class NibabelFormat:
    """One format that nibabel reads.

    Parameters
    ----------
    name
        Name of the format, and prefix of its attributes.
    signature
        Says from the first (decompressed) bytes and the lower-case file name whether a file is of this format.
    companions
        Gives the endings of a second file with the voxels, to put in the place of the header's, or nothing.
    modality
        DICOM Modality where the format has only one.
    slowest_first
        True where nibabel gives arrays (t, k, j, i) and not (i, j, k, t): MINC.
    """

    def __init__(
        self,
        name: str,
        signature: Callable[[bytes, str], bool],
        companions: dict[str, tuple[str, ...]] | None = None,
        modality: str = "",
        slowest_first: bool = False,
    ) -> None:
        self.name = name
        self._signature = signature
        self._companions = companions or {}
        self._modality = modality
        self._slowest_first = slowest_first

    def recognises(self, head: Head) -> bool:
        """True where content and name are of this format."""
        return self._signature(inflated_start(head.start), head.suffixes)

    def describe(self, path: Path) -> Description:
        """Describe a file; attributes are ``<format>.<field>``. See `Format.describe`."""
        companion = self._companion(path)
        if self._companions and companion is None:
            raise Unreadable("the file with the voxels is missing", hint="keep it beside its header")
        others = [companion] if companion else []
        with ExitStack() as stack:
            image = _opened(self.name, stack, [path, *(path.parent / name for name in others)])
            voxels = _voxels(image, path.parent / (companion or path.name), self._slowest_first)
            geometry, findings = _placement(image, voxels, self._slowest_first)
            attributes = _attributes(image, self.name)
        hints = (label_map_hint(path.name, voxels.dtype), plausibility(geometry, self._modality))
        return Description(
            format=self.name,
            kind=Kind.VOLUME,
            parts=(
                Part(name=path.name, role="header" if others else "data"),
                *(Part(name=name, role="voxels") for name in others),
            ),
            title=path.name.partition(".")[0],
            modality=self._modality,
            geometry=geometry,
            voxels=voxels,
            attributes=attributes,
            findings=(*findings, *(hint for hint in hints if hint)),
        )

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the values after the format's own scaling, in memory, axes as in ``description.voxels.axes``."""
        voxels = description.voxels
        assert voxels is not None
        if math.prod(voxels.sizes) * np.dtype(voxels.dtype).itemsize > MOST_BYTES:
            raise Unsupported("an array of this size is not read through nibabel")
        check_ratio(voxels, locate)
        paths = [locate(part.name) for part in description.parts]
        with ExitStack() as stack:
            image = _opened(self.name, stack, paths)
            try:
                stored = np.asanyarray(image.dataobj)
            except _errors() as error:
                raise Unreadable(f"the voxels cannot be read ({type(error).__name__})") from error
        array = stored if self._slowest_first else stored.T
        if array.size != math.prod(voxels.sizes):
            raise Unreadable("the voxels are not of the size that was described")
        return array.reshape(voxels.sizes)

    def _companion(self, path: Path) -> str | None:
        for ending, others in self._companions.items():
            if path.name.lower().endswith(ending.lower()):
                stem = path.name[: -len(ending)]
                return next((stem + other for other in others if (path.parent / (stem + other)).is_file()), None)
        return None


def _opened(name: str, stack: ExitStack, paths: Sequence[Path]) -> Any:
    """Open with nibabel, header only.

    nibabel tells formats and compression by file names; the files of a store have others. So the class is chosen by the
    name of the format, and open streams are handed over; they close with the stack.
    """
    from nibabel import FileHolder

    kind, keys = _image_class(name, paths[0])
    holders = {}
    try:
        for key, path in zip(keys, paths, strict=True):
            if key == "hdf5":
                holders["image"] = FileHolder(filename=str(path))
            elif key == "header":
                holders[key] = FileHolder(fileobj=stack.enter_context(path.open(encoding="latin-1")))
            else:
                holders[key] = FileHolder(fileobj=_inflating(stack, path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel warns of doubtful headers, which we judge ourselves
            return kind.from_file_map(holders)
    except _errors() as error:
        raise Unreadable(f"the header cannot be read ({type(error).__name__})") from error


def _errors() -> tuple[type[Exception], ...]:
    """What nibabel, scipy and h5py raise on damaged files."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.minc1 import MincError
    from nibabel.parrec import PARRECError
    from nibabel.spatialimages import HeaderDataError, ImageDataError

    own = (ImageFileError, HeaderDataError, ImageDataError, MincError, PARRECError)
    return (
        *own,
        *DECODE_ERRORS,
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        AssertionError,
    )


def _inflating(stack: ExitStack, path: Path) -> IO[bytes]:
    from isal import igzip

    file = stack.enter_context(path.open("rb"))
    packed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    return stack.enter_context(igzip.IGzipFile(fileobj=file, mode="rb")) if packed else file


def _image_class(name: str, path: Path) -> tuple[Any, tuple[str, ...]]:
    """Give the image class of nibabel and the roles of its files."""
    from nibabel import brikhead, freesurfer, minc1, minc2, parrec

    match name:
        case "afni":
            return brikhead.AFNIImage, ("header", "image")
        case "parrec":
            return parrec.PARRECImage, ("header", "image")
        case "mgh":
            return freesurfer.MGHImage, ("image",)
    with path.open("rb") as stream:
        start = inflated_start(stream.read(4096))
    return (minc2.Minc2Image, ("hdf5",)) if start.startswith(b"\x89HDF") else (minc1.Minc1Image, ("image",))


def _voxels(image: Any, path: Path, slowest_first: bool) -> Voxels:
    shape = [int(size) for size in image.shape][:: -1 if slowest_first else 1]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if not 3 <= len(shape) <= 4 or min(shape) < 1:
        raise Unsupported(f"an array of {len(shape)} axes is not read")
    try:
        first = np.asanyarray(image.dataobj[tuple(slice(0, 1) for _ in image.shape)])
    except _errors() as error:
        raise Unreadable(f"the voxels cannot be read ({type(error).__name__})") from error
    dtype = first.dtype  # as nibabel gives it: after the scaling of the format
    if dtype.kind not in "iuf":
        raise Unsupported("voxels of this type are not read")
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    return Voxels(
        dtype=dtype.str,
        axes="kji" if len(shape) == 3 else "tkji",
        sizes=tuple(reversed(shape)),
        encoding="gzip" if packed else "image",
        blocks=(Block(part=path.name),),
    )


def _placement(image: Any, voxels: Voxels, slowest_first: bool) -> tuple[Geometry | None, tuple[Finding, ...]]:
    k, j, i = voxels.sizes[-3:]
    try:
        affine = np.asarray(image.affine, float)
        affine = affine[:, [2, 1, 0, 3]] if slowest_first else affine
        return Geometry.from_affine(RAS_FROM_LPS @ affine, (k, j, i)), ()
    except (ValueError, TypeError) as error:
        return None, (Finding(code="bad-geometry", text=str(error), severity=Severity.ERROR),)


def _attributes(image: Any, name: str) -> dict[str, tuple[Value, ...]]:
    """Give the fields of whatever nibabel calls the header."""
    header = image.header
    fields = getattr(header, "general_info", None) or getattr(header, "info", None)
    if fields is None:
        fields = header if hasattr(header, "keys") else {}
    attributes: dict[str, tuple[Value, ...]] = {}
    for key in fields:
        values = tuple(_value(item) for item in np.atleast_1d(np.asarray(fields[key])).reshape(-1)[:64].tolist())
        if values and values != ("",):
            attributes[f"{name}.{key}"] = values
    return attributes


def _value(item: Any) -> Value:
    if isinstance(item, bytes):
        return item.partition(b"\0")[0].decode("utf-8", "replace")
    if isinstance(item, float) and not math.isfinite(item):
        return str(item)
    return item if isinstance(item, str | int | float) else str(item)


def _is_mgh(start: bytes, name: str) -> bool:
    return start[:4] == b"\0\0\0\1" and name.endswith((".mgz", ".mgh", ".mgh.gz"))


def _is_afni(start: bytes, name: str) -> bool:
    return name.endswith(".head") and b"-attribute" in start


def _is_parrec(start: bytes, name: str) -> bool:
    return name.endswith(".par") and b"DATA DESCRIPTION FILE" in start


def _is_minc(start: bytes, name: str) -> bool:
    return name.endswith((".mnc", ".mnc.gz")) and start.startswith((b"CDF\1", b"CDF\2", b"\x89HDF\r\n\x1a\n"))


FORMATS = (
    NibabelFormat("mgh", _is_mgh, modality="MR"),
    NibabelFormat("afni", _is_afni, {".HEAD": (".BRIK", ".BRIK.gz", ".brik", ".brik.gz")}, "MR"),
    NibabelFormat("parrec", _is_parrec, {".PAR": (".REC", ".rec")}, "MR"),
    NibabelFormat("minc", _is_minc, slowest_first=True),
)
