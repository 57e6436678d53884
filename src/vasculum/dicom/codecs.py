"""Decoders of encapsulated frames (PS3.5 A.4), by transfer syntax. None of them is under the GPL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported

from .frames import PixelLayout

Decoder = Callable[[bytes, PixelLayout], NDArray[Any]]


def decompress(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    """Decode one encapsulated frame; colours come as RGB.

    Raises
    ------
    Unreadable
        The bytes are damaged.
    Unsupported
        There is no decoder for the transfer syntax.
    """
    decoder = _DECODERS.get(layout.syntax)
    if decoder is None:
        raise Unsupported(f"pixels of transfer syntax {layout.syntax or 'unknown'} cannot be decoded")
    try:
        array = decoder(raw, layout)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # Rust decoders panic past Exception
        raise Unreadable(f"a compressed frame is damaged ({type(error).__name__})") from None
    return _shaped(array, layout)


def _shaped(array: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    wanted = (layout.rows, layout.columns) + ((layout.samples,) if layout.samples > 1 else ())
    if array.shape != wanted:
        if array.size != np.prod(wanted, dtype=object):
            raise Unreadable("a compressed frame is not of the size that the header says")
        array = array.reshape(wanted)
    return array


def _jpeg(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    import imagecodecs

    array = np.asarray(imagecodecs.jpeg_decode(raw))
    return array


def _jpeg_lossless(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    import imagecodecs

    return np.asarray(imagecodecs.ljpeg_decode(raw))


def _jpeg_ls(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    import imagecodecs

    return np.asarray(imagecodecs.jpegls_decode(raw))


def _jpeg_2000(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(raw))


def _rle(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    """RLE Lossless (PS3.5 Annex G): byte planes, most significant first, each packed by PackBits."""
    import imagecodecs

    count = int.from_bytes(raw[:4], "little")
    planes = layout.samples * layout.bits_allocated // 8
    if count != planes or count > 15:
        raise Unreadable("an RLE frame has the wrong number of segments")
    offsets = [int.from_bytes(raw[4 * n + 4 : 4 * n + 8], "little") for n in range(count)] + [len(raw)]
    pixels = layout.rows * layout.columns
    size = layout.bits_allocated // 8
    out = np.zeros((layout.samples, pixels, size), np.uint8)
    for n in range(count):
        sample, byte = divmod(n, size)
        segment = raw[offsets[n] : offsets[n + 1]]
        if len(segment) * 128 < pixels:
            raise Unreadable("an RLE segment is too short")
        got = np.frombuffer(imagecodecs.packbits_decode(segment), np.uint8)
        if len(got) < pixels:
            raise Unreadable("an RLE segment is cut off")
        out[sample, :, byte] = got[:pixels]
    kind = "i" if layout.signed else "u"
    array = out.reshape(layout.samples, -1).view(f">{kind}{size}").astype(f"={kind}{size}")
    return array.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0).squeeze()


_JPEG = "1.2.840.10008.1.2.4."
_DECODERS: dict[str, Decoder] = {
    _JPEG + "50": _jpeg,
    _JPEG + "51": _jpeg,
    _JPEG + "57": _jpeg_lossless,
    _JPEG + "70": _jpeg_lossless,
    _JPEG + "80": _jpeg_ls,
    _JPEG + "81": _jpeg_ls,
    _JPEG + "90": _jpeg_2000,
    _JPEG + "91": _jpeg_2000,
    _JPEG + "201": _jpeg_2000,
    _JPEG + "202": _jpeg_2000,
    _JPEG + "203": _jpeg_2000,
    "1.2.840.10008.1.2.5": _rle,
}
