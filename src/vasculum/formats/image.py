"""Pictures: TIFF (also with many pages), PNG, BMP, JPEG; numbered ones of a folder assemble to a volume."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported, VasculumError
from vasculum.formats import stack, tiff
from vasculum.formats.base import Head, Locate
from vasculum.formats.scratch import writable_array
from vasculum.model.description import Block, Description, Finding, Part, Value, Voxels
from vasculum.model.kinds import Kind
from vasculum.model.voxels import release

_RELEASE_EVERY = 16
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FORMATS = ("PNG", "BMP", "DIB", "JPEG", "MPO")
_DIB_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_MODES = {
    "1": ("|u1", 1),
    "L": ("|u1", 1),
    "LA": ("|u1", 2),
    "I;16": ("<u2", 1),
    "I;16B": ("<u2", 1),
    "I": ("<i4", 1),
    "F": ("<f4", 1),
    "RGB": ("|u1", 3),
    "RGBA": ("|u1", 4),
}
_CONVERTED = {"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB", "PA": "RGBA"}


@dataclass(frozen=True, slots=True)
class Picture:
    """All picture formats, under one name, so that a folder of them can be sorted together."""

    name: str = "image"

    def recognises(self, head: Head) -> bool:
        """By signature."""
        return head.start.startswith((*_TIFF, _PNG, _JPEG)) or _is_bmp(head)

    def describe(self, path: Path) -> Description:
        """Give size and type; a picture alone is an image, a TIFF of three pages or more a volume."""
        with path.open("rb") as stream:
            start = stream.read(32)
        if start.startswith(_TIFF):
            return tiff.describe_tiff(path, self.name)
        with _opened(path) as picture:
            dtype, components = _MODES[_target_mode(picture)]
            axes = "kji" if components == 1 else "kjic"
            sizes = (1, picture.height, picture.width) + ((components,) if components > 1 else ())
            attributes: dict[str, tuple[Value, ...]] = {
                "image.format": (str(picture.format),),
                "image.mode": (picture.mode,),
            }
        return Description(
            format=self.name,
            kind=Kind.IMAGE,
            parts=(Part(name=path.name),),
            title=path.stem,
            voxels=Voxels(dtype=dtype, axes=axes, sizes=sizes, encoding="image", blocks=(Block(part=path.name),)),
            attributes=attributes,
            findings=_depth_findings(start),
        )

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Read a picture or a stack; slices are read one by one into one array."""
        voxels = description.voxels
        if voxels is None:
            raise Unreadable("there are no voxels to read")
        if len(voxels.blocks) == 1:
            return _checked(_read(locate(voxels.blocks[0].part), voxels), voxels.sizes, voxels)
        volume = writable_array(voxels.sizes, np.dtype(voxels.dtype).newbyteorder("="))
        for number, block in enumerate(voxels.blocks):
            if number % _RELEASE_EVERY == 0:
                release(volume)
            volume[number] = _checked(_read(locate(block.part), voxels), (1, *voxels.sizes[1:]), voxels)[0]
        return volume

    def assemble(self, items: Mapping[str, Description]) -> Sequence[Description]:
        """See `stack.assemble`; scanner logs (format ``scanlog``) may be among the items."""
        return stack.assemble(items)


FORMATS = (Picture(),)


def _is_bmp(head: Head) -> bool:
    if not head.start.startswith(b"BM") or len(head.start) < 26:
        return False
    offset, header = struct.unpack_from("<II", head.start, 10)
    return header in _DIB_HEADERS and 26 <= offset < head.size


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open by Pillow, which refuses pictures of more than 179 million pixels."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                yield picture
    except VasculumError:
        raise
    except (Image.DecompressionBombError, MemoryError):  # a chunk may state any size
        raise Unreadable("the picture has too many pixels") from None
    except Exception as error:
        # Pillow lets through whatever its parsers raise: SyntaxError, struct.error, OSError without a number ...
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Unreadable("the picture is damaged") from None


def _target_mode(picture: Any) -> str:
    """Say as which Pillow mode a picture is read: palettes of greys as their index, other ones as colours."""
    mode = str(picture.mode)
    if mode == "P":
        return "L" if _grey_ramp(picture) else "RGB"
    mode = _CONVERTED.get(mode, mode)
    if mode not in _MODES:
        raise Unsupported(f"a picture of the mode {mode} is not read")
    return mode


def _grey_ramp(picture: Any) -> bool:
    """True where palette entry n is the grey n, as NRecon writes them."""
    palette = picture.getpalette() or []
    return all(palette[n] == n // 3 for n in range(len(palette)))


def _read(path: Path, voxels: Voxels) -> NDArray[Any]:
    with path.open("rb") as stream:
        start = stream.read(4)
    if start in _TIFF:
        return tiff.read_tiff(path, voxels)
    with _opened(path) as picture:
        target = _target_mode(picture)
        if picture.mode != target and not (picture.mode == "P" and target == "L"):
            picture = picture.convert(target)
        array = np.asarray(picture)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    return array[np.newaxis]


def _checked(array: NDArray[Any], sizes: tuple[int, ...], voxels: Voxels) -> NDArray[Any]:
    stored = np.dtype(voxels.dtype)
    if array.shape != sizes or array.dtype.newbyteorder("=") != stored.newbyteorder("="):
        raise Unreadable("a picture is no longer of the size or type that it was described with")
    return array


def _depth_findings(start: bytes) -> tuple[Finding, ...]:
    """PNG with 16 bits a colour is read with 8."""
    if start.startswith(_PNG) and len(start) >= 26 and start[24] == 16 and start[25] in (2, 4, 6):
        return (Finding(code="reduced-depth", text="the colours have 16 bits a channel; they are read with 8"),)
    return ()
