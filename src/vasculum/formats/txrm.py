"""Zeiss Xradia microscopes: ``.xrm`` (one picture), ``.txrm`` (projections), ``.txm`` (reconstructed volume), in OLE files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported, VasculumError
from vasculum.formats.base import Head, Locate
from vasculum.formats.scratch import writable_array
from vasculum.formats.stack import with_voxel_size, without_orientation, without_voxel_size
from vasculum.model.description import Block, Description, Finding, Part, Value, Voxels
from vasculum.model.kinds import Kind, Severity
from vasculum.model.voxels import release

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENDINGS = (".xrm", ".txrm", ".txm")
_DTYPES = {3: "|u1", 5: "<u2", 10: "<f4"}
_IMAGES_MOST = 100_000
_PER_FOLDER = 100
"""Picture n lies in the storage ``ImageData{1 + (n - 1) // 100}``."""

# Stream → type and attribute. PixelSize µm, Voltage kV, Current µA, Energy eV, ExpTimes s, distances mm.
_NUMBERS = {
    "ImageInfo/PixelSize": ("f", "txrm.PixelSize"),
    "ImageInfo/Voltage": ("f", "KVP"),
    "ImageInfo/Current": ("f", "XRayTubeCurrentInuA"),
    "ImageInfo/Energy": ("f", "txrm.Energy"),
    "ImageInfo/ExpTimes": ("f", "txrm.ExposureTime"),
    "ImageInfo/OpticalMagnification": ("f", "txrm.OpticalMagnification"),
    "ImageInfo/XrayMagnification": ("f", "txrm.XrayMagnification"),
    "ImageInfo/StoRADistance": ("f", "txrm.StoRADistance"),
    "ImageInfo/DtoRADistance": ("f", "txrm.DtoRADistance"),
    "ImageInfo/CameraBinning": ("i", "txrm.CameraBinning"),
    "ImageInfo/HorizontalBin": ("i", "txrm.HorizontalBin"),
    "AutoRecon/CenterShift": ("f", "txrm.CenterShift"),
}
_TEXTS = {
    "ImageInfo/Date": "txrm.Date",
    "ImageInfo/ObjectiveName": "txrm.ObjectiveName",
    "ImageInfo/CameraName": "txrm.CameraName",
    "SampleInfo/SampleID": "txrm.SampleID",
}


@dataclass(frozen=True, slots=True)
class Xradia:
    """Pictures, projections and volumes of Zeiss Xradia microscopes."""

    name: str = "txrm"

    def recognises(self, head: Head) -> bool:
        """An OLE file of one of the three names."""
        return head.start.startswith(_OLE) and head.suffixes.endswith(_ENDINGS)

    def describe(self, path: Path) -> Description:
        """Read the header streams; a ``.txm`` is a volume with cubic voxels, the others are pictures."""
        with _opened(path) as ole:
            columns, rows = _integer(ole, "ImageInfo/ImageWidth"), _integer(ole, "ImageInfo/ImageHeight")
            count = _integer(ole, "ImageInfo/NoOfImages")
            code = _integer(ole, "ImageInfo/DataType")
            if not (0 < columns < 2**16 and 0 < rows < 2**16 and 0 < count <= _IMAGES_MOST):
                raise Unreadable("the header of the picture file states impossible sizes")
            if code not in _DTYPES:
                raise Unsupported(f"pictures of the data type {code} are not read")
            attributes = _attributes(ole)
        voxels = Voxels(
            dtype=_DTYPES[code],
            axes="kji",
            sizes=(count, rows, columns),
            encoding="image",
            blocks=(Block(part=path.name),),
        )
        described = Description(
            format=self.name,
            kind=Kind.IMAGE,
            parts=(Part(name=path.name),),
            title=path.stem,
            modality="CT",
            voxels=voxels,
            attributes={"Manufacturer": ("Zeiss Xradia",), **attributes},
        )
        return _placed(described, path.suffix.lower())

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Read the pictures one by one into one array; each stream must have exactly its size."""
        voxels = description.voxels
        if voxels is None:
            raise Unreadable("there are no voxels to read")
        count, rows, columns = voxels.sizes
        dtype = np.dtype(voxels.dtype)
        with _opened(locate(voxels.blocks[0].part)) as ole:
            names = [f"ImageData{1 + n // _PER_FOLDER}/Image{n + 1}" for n in range(count)]
            if any(not ole.exists(n) or ole.get_size(n) != rows * columns * dtype.itemsize for n in names):
                raise Unreadable("pictures are missing in the file, or are not of the size that its header states")
            array = writable_array(voxels.sizes, dtype)
            for number, name in enumerate(names):
                array[number] = np.frombuffer(ole.openstream(name).read(), dtype).reshape(rows, columns)
                release(array)
        return array


FORMATS = (Xradia(),)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import olefile

    try:
        with olefile.OleFileIO(path) as ole:
            yield ole
    except (VasculumError, MemoryError):
        raise
    except Exception as error:
        # olefile raises OSError without a number, IndexError and struct.error on damaged files.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Unreadable("the picture file is damaged") from None


def _integer(ole: Any, stream: str) -> int:
    if not ole.exists(stream):
        raise Unreadable("the picture file lacks a header field that it must have")
    return int(struct.unpack("<i", ole.openstream(stream).read(4))[0])


def _attributes(ole: Any) -> dict[str, tuple[Value, ...]]:
    """Give the fields that are set; numbers of the first picture, zero and -1 mean unset."""
    attributes: dict[str, tuple[Value, ...]] = {}
    for stream, (code, name) in _NUMBERS.items():
        raw = ole.openstream(stream).read(4) if ole.exists(stream) else b""
        if len(raw) == 4 and (value := struct.unpack(f"<{code}", raw)[0]) > 0:
            # The file holds single precision: more digits than seven are noise.
            attributes[name] = (float(f"{value:.7g}") if code == "f" else value,)
    for stream, name in _TEXTS.items():
        raw = ole.openstream(stream).read(260) if ole.exists(stream) else b""
        if text := raw.split(b"\0")[0].decode("latin-1").strip():
            attributes[name] = (text,)
    return attributes


def _placed(description: Description, ending: str) -> Description:
    if ending != ".txm":
        text = "these are projections of a scan, not reconstructed slices"
        note = Finding(code="projections", text=text, severity=Severity.NOTE)
        return replace(description, findings=(note,)) if ending == ".txrm" else description
    size = description.attributes.get("txrm.PixelSize", ())
    volume = replace(description, kind=Kind.VOLUME, findings=(without_orientation(),))
    if not size:
        return replace(volume, findings=(*volume.findings, without_voxel_size()))
    mm = float(size[0]) / 1000
    return with_voxel_size(volume, (mm, mm, mm), source="file")
