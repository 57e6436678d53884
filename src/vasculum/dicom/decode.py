"""One frame from its bytes: samples without padding bits, colours as RGB (PS3.5 chapter 8 and Annex A.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codecs import decompress, inflate_frame
from .frames import PixelLayout
from .palette import Palette, through_palette
from .tables import DEFLATED_FRAME


def decodable_bytes(layout: PixelLayout, frame: int) -> tuple[int, int]:
    """Give where the bytes of a native frame begin after the first pixel byte, and how many there are."""
    if layout.bits_allocated != 1:
        return frame * layout.frame_bytes, layout.frame_bytes
    start, end = frame * layout.frame_bits, (frame + 1) * layout.frame_bits
    return start // 8, (end + 7) // 8 - start // 8


def decode_frame(raw: bytes, layout: PixelLayout, frame: int, palette: Palette | None = None) -> NDArray[Any]:
    """Decode one frame.

    Returns
    -------
    ndarray
        Shape (rows, columns), or (rows, columns, 3) for colours, as RGB.

    Raises
    ------
    Unreadable
        The bytes are damaged.
    Unsupported
        There is no decoder for the transfer syntax.
    """
    if layout.syntax == DEFLATED_FRAME:
        raw = inflate_frame(raw, layout)
        array = _unpack_bits(raw, layout, 0) if layout.bits_allocated == 1 else _native(raw, layout)
    elif not layout.native:
        array = _without_padding(_signed(decompress(raw, layout), layout), layout)
    elif layout.bits_allocated == 1:
        array = _unpack_bits(raw, layout, frame)
    else:
        array = _without_padding(_native(raw, layout), layout)
    if palette is not None and layout.photometric == "PALETTE COLOR":
        return through_palette(array, palette)
    if layout.native and layout.photometric.startswith("YBR_"):
        return _rgb(array, layout.photometric)
    return array


def _native(raw: bytes, layout: PixelLayout) -> NDArray[Any]:
    samples = np.frombuffer(raw, layout.dtype)
    rows, columns = layout.rows, layout.columns
    if layout.samples == 1:
        return samples.reshape(rows, columns)
    if layout.photometric == "YBR_FULL_422":
        return _full_chrominance(samples.reshape(rows, columns * 2), rows, columns)
    if layout.planar == 1:
        return samples.reshape(layout.samples, rows, columns).transpose(1, 2, 0)
    return samples.reshape(rows, columns, layout.samples)


def _full_chrominance(samples: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Y Y Cb Cr for two pixels becomes three samples for each (PS3.3 C.7.6.3.1.2)."""
    pairs = samples.reshape(rows, columns // 2, 4)
    full = np.empty((rows, columns, 3), samples.dtype)
    full[:, 0::2, 0], full[:, 1::2, 0] = pairs[..., 0], pairs[..., 1]
    full[:, :, 1] = np.repeat(pairs[..., 2], 2, axis=1)
    full[:, :, 2] = np.repeat(pairs[..., 3], 2, axis=1)
    return full


def _unpack_bits(raw: bytes, layout: PixelLayout, frame: int) -> NDArray[Any]:
    """1-bit samples, the first in the lowest bit; frames need not begin on a byte."""
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
    skip = frame * layout.frame_bits % 8
    return bits[skip : skip + layout.frame_bits].reshape(layout.rows, layout.columns)


def _without_padding(array: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Clear what lies outside the stored bits (overlays, garbage), and extend the sign."""
    if layout.floating or array.dtype.kind not in "iu":
        return array
    size = array.dtype.itemsize * 8
    low = max(0, layout.high_bit + 1 - layout.bits_stored) if layout.native else 0
    if layout.bits_stored >= size or layout.bits_stored < 1:
        return array
    left = size - low - layout.bits_stored
    if left < 0:
        return array
    native = array.dtype.newbyteorder("=")
    kind = "i" if layout.signed else "u"
    typed = array.astype(native).view(np.dtype(f"{kind}{native.itemsize}"))
    return np.asarray(np.right_shift(np.left_shift(typed, left), size - layout.bits_stored))


def _signed(array: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Codecs give unsigned numbers for signed samples in two's complement."""
    if layout.signed and array.dtype.kind == "u" and array.dtype.itemsize * 8 == layout.bits_allocated:
        return array.view(np.dtype(f"i{array.dtype.itemsize}"))
    return array


def _rgb(array: NDArray[Any], photometric: str) -> NDArray[Any]:
    """YBR_FULL, YBR_FULL_422 and YBR_PARTIAL to RGB (PS3.3 C.7.6.3.1.2)."""
    y, cb, cr = (array[..., n].astype(np.float32) for n in range(3))
    if photometric.startswith("YBR_PARTIAL"):
        y = (y - 16) * (255 / 219)
        cb, cr = (cb - 128) * (255 / 224), (cr - 128) * (255 / 224)
    else:
        cb, cr = cb - 128, cr - 128
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(array.dtype)
