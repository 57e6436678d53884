"""Decoders of encapsulated frames (PS3.5 A.4), by transfer syntax. None of them is under the GPL."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported

from .frames import PixelLayout

LARGE_FRAME_BYTES = 256 * 2**20
MAX_RATIO = 10_000
"""Larger frames that would be compressed by more than this are refused."""

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
    if layout.frame_bytes > LARGE_FRAME_BYTES and layout.frame_bytes > MAX_RATIO * len(raw):
        raise Unreadable("a compressed frame claims to be implausibly large", hint="it may be a decompression bomb")
    size = codestream_size(raw)
    if size is not None and size != (layout.rows, layout.columns):
        raise Unreadable("a compressed frame is not of the size that the header says")
    try:
        array = decoder(raw, layout)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders in Rust panic past Exception
        raise Unreadable(f"a compressed frame is damaged ({type(error).__name__})") from None
    return _shaped(array, layout)


def codestream_size(raw: bytes) -> tuple[int, int] | None:
    """Give rows and columns as a JPEG, JPEG-LS or JPEG 2000 codestream states them; None for anything else.

    A decoder believes them and allocates, so they are compared with the header first.
    """
    if raw[:4] == b"\xff\x4f\xff\x51" and len(raw) >= 24:  # JPEG 2000: SOC, SIZ (ISO 15444-1 A.5.1)
        right, bottom, left, top = struct.unpack_from(">4I", raw, 8)
        return bottom - top, right - left
    if raw[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">HH", raw, at + 5)
            return (rows, columns) if rows else None  # 0: the number of lines follows the scan
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return None


def inflate_frame(raw: bytes, layout: PixelLayout) -> bytes:
    """Inflate a frame of Deflated Image Frame Compression, to no more than its size."""
    try:
        inflated = zlib.decompressobj(-15).decompress(raw, layout.frame_bytes)
    except zlib.error as error:
        raise Unreadable("a compressed frame is damaged") from error
    if len(inflated) < layout.frame_bytes:
        raise Unreadable("a compressed frame is cut off")
    return inflated


def _shaped(array: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    wanted = (layout.rows, layout.columns) + ((layout.samples,) if layout.samples > 1 else ())
    if array.shape != wanted:
        if array.size != np.prod(wanted, dtype=object):
            raise Unreadable("a compressed frame is not of the size that the header says")
        array = array.reshape(wanted)
    return array


def _jpeg(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    """Baseline and extended JPEG. Where the header says RGB and no Adobe marker says otherwise, components are RGB."""
    import imagecodecs

    adobe = raw.find(b"\xff\xee\x00\x0eAdobe", 0, 4096)
    transformed = adobe >= 0 and raw[adobe + 15 : adobe + 16] == b"\x01"
    if layout.photometric == "RGB" and not transformed:
        return np.asarray(imagecodecs.jpeg_decode(raw, colorspace="RGB", outcolorspace="RGB"))
    return np.asarray(imagecodecs.jpeg_decode(raw))


def _jpeg_ls(raw: bytes, _: PixelLayout) -> NDArray[Any]:
    """JPEG-LS. CharLS counts to 2**32 where a damaged stream has no end marker, so it is given one."""
    import imagecodecs

    whole = raw if raw.rstrip(b"\0").endswith(b"\xff\xd9") else raw + b"\xff\xd9"
    return np.asarray(imagecodecs.jpegls_decode(whole))


def _by_name(name: str) -> Decoder:
    """A decoder of imagecodecs that needs nothing but the codestream."""

    def decode(raw: bytes, _: PixelLayout) -> NDArray[Any]:
        import imagecodecs

        return np.asarray(getattr(imagecodecs, name)(raw))

    return decode


def _rle(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    """RLE Lossless (PS3.5 Annex G): byte planes, most significant first, each packed by PackBits."""
    count = int.from_bytes(raw[:4], "little")
    size = max(1, layout.bits_allocated // 8)
    if count != layout.samples * size or count > 15:
        raise Unreadable("an RLE frame has the wrong number of segments")
    offsets = [int.from_bytes(raw[4 * n + 4 : 4 * n + 8], "little") for n in range(count)] + [len(raw)]
    pixels = layout.rows * layout.columns
    if layout.bits_allocated == 1:
        packed = _unpack_segment(raw[offsets[0] : offsets[1]], (pixels + 7) // 8)
        return np.unpackbits(packed, bitorder="little")[:pixels].reshape(layout.rows, layout.columns)
    out = np.empty((layout.samples, pixels, size), np.uint8)
    for n in range(count):
        sample, byte = divmod(n, size)
        out[sample, :, byte] = _unpack_segment(raw[offsets[n] : offsets[n + 1]], pixels)
    kind = "i" if layout.signed else "u"
    array = out.view(f">{kind}{size}")[..., 0].astype(f"={kind}{size}")
    if layout.samples == 1:
        return array.reshape(layout.rows, layout.columns)
    return array.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)


def _unpack_segment(segment: bytes, count: int) -> NDArray[Any]:
    import imagecodecs

    if len(segment) * 64 + 128 < count:  # two bytes give 128 at the most
        raise Unreadable("an RLE segment is too short")
    got = np.frombuffer(imagecodecs.packbits_decode(segment), np.uint8)
    if len(got) < count:
        raise Unreadable("an RLE segment is cut off")
    return got[:count]


_JPEG = "1.2.840.10008.1.2.4."
_DECODERS: dict[str, Decoder] = {
    _JPEG + "50": _jpeg,
    _JPEG + "51": _jpeg,
    _JPEG + "57": _by_name("ljpeg_decode"),
    _JPEG + "70": _by_name("ljpeg_decode"),
    _JPEG + "80": _jpeg_ls,
    _JPEG + "81": _jpeg_ls,
    _JPEG + "90": _by_name("jpeg2k_decode"),
    _JPEG + "91": _by_name("jpeg2k_decode"),
    _JPEG + "201": _by_name("jpeg2k_decode"),
    _JPEG + "202": _by_name("jpeg2k_decode"),
    _JPEG + "203": _by_name("jpeg2k_decode"),
    "1.2.840.10008.1.2.5": _rle,
}
