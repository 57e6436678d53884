"""Volumes and segmentations of a bundle: one copy of the voxels, in DICOM where DICOM can hold them.

A detached NRRD header is true only for native little-endian pixels at the end of the file, with an even number of
bytes, in right-handed order, without rescale (NRRD has none). `vasculum.dicom` writes them so; what it cannot write goes
into a plain NRRD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid, Unsupported
from vasculum.formats.segnrrd import Extent, segment_keys
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind
from vasculum.model.voxels import STREAM_BYTES, release

from .labels import flatten, layer_extents, segment_extents
from .marks import MARK_PREFIX, marks_of
from .report import Item
from .stage import Stage, title_of

if TYPE_CHECKING:
    from vasculum.dicom.seg import SourceImage

DICOM_TYPE = "application/dicom"
NRRD_TYPE = "application/x-nrrd"

LARGEST_IN_DICOM = 2**31 - 2**24
"""Bytes of voxels in one DICOM file: several readers count in signed 32 bits. Larger volumes become plain NRRD."""


def add_volume(stage: Stage, item: Item) -> None:
    """Pack a volume or an image with voxels.

    Raises
    ------
    VasculumError
        It cannot be read or written; nothing of it was listed then.
    """
    array, geometry = right_handed(_voxels(item), item.series.geometry, _axes(item))
    reason = _not_for_dicom(array, geometry, _axes(item))
    if not reason:
        try:
            _add_dicom_volume(stage, item, array, geometry)
            return
        except (Unsupported, Invalid) as error:
            reason = error.message
    _add_plain_volume(stage, item, array, geometry, reason)


def add_segmentation(stage: Stage, item: Item) -> None:
    """Pack a segmentation: a label map SEG with a header into it, or a plain ``.seg.nrrd`` where that cannot be.

    Raises
    ------
    VasculumError
        It cannot be read or written; nothing of it was listed then.
    """
    array, geometry = right_handed(_voxels(item), item.series.geometry, _axes(item))
    if geometry is None:
        raise Unsupported("a segmentation without a voxel size has no place in a scene")
    segments = tuple(_marked(segment, item) for segment in item.series.segments)
    reason = ""
    if _axes(item) == "tkji":
        flat = flatten(array, segments, stage.scratch()) if _layered(array, segments) else None
        array, segments = flat or (array, segments)
        reason = "" if flat else "its segments overlap"
    boxes = layer_extents(array)
    extents = segment_extents(boxes, segments)
    reason = reason or _no_label_map(array, geometry, segments, boxes)
    if not reason:
        try:
            _add_label_map(stage, item, array, geometry, segments, extents)
            return
        except (Unsupported, Invalid) as error:
            reason = error.message
    _add_plain_segmentation(stage, item, array, geometry, segments, extents, reason)


def _layered(array: NDArray[Any], segments: Sequence[Segment]) -> bool:
    return all(segment.layer < len(array) for segment in segments)


def right_handed(array: NDArray[Any], geometry: Geometry | None, axes: str) -> tuple[NDArray[Any], Geometry | None]:
    """Reverse k where i × j points against it: since 5.8 Slicer flips left-handed voxels on its own.

    Returns
    -------
    array, geometry
        The same voxels in the same places; a view, nothing is copied.
    """
    if geometry is None or geometry.right_handed:
        return array, geometry
    matrix = geometry.affine.copy()
    matrix[:3, 3] += (geometry.shape[0] - 1) * matrix[:3, 2]
    matrix[:3, 2] *= -1
    turned = Geometry.from_affine(
        matrix, geometry.shape, frame_of_reference=geometry.frame_of_reference, irregular=geometry.irregular
    )
    return np.flip(array, axes.index("k")), turned


def slabs(array: NDArray[Any], dtype: np.dtype[Any] | None = None) -> Iterator[NDArray[Any]]:
    """Give a (k, j, i) array a few slices at a time, and let go of the pages that were read."""
    thickness = max(1, STREAM_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), thickness):
        slab = array[start : start + thickness]
        yield slab if dtype is None else slab.astype(dtype)
        release(array)


def _voxels(item: Item) -> NDArray[Any]:
    if item.voxels is None:
        raise Unsupported("its voxels cannot be read")
    array = item.voxels()
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def _axes(item: Item) -> str:
    return item.description.voxels.axes if item.description.voxels else "kji"


ORTHOGONAL_TOLERANCE = 1e-4
"""Cosine between rows and columns up to which they are at right angles."""

SKEWED = "its rows and columns are not at right angles, which DICOM demands"


def _skewed(geometry: Geometry) -> bool:
    """True where i and j are not orthogonal (PS3.3 C.7.6.2.1.1). A sheared k, as of a tilted gantry, is no matter."""
    direction = np.asarray(geometry.direction)
    return abs(float(direction[:, 0] @ direction[:, 1])) > ORTHOGONAL_TOLERANCE


def _not_for_dicom(array: NDArray[Any], geometry: Geometry | None, axes: str) -> str:
    """Say why a header into a DICOM image would not be true, or no reader would take it; empty if it would."""
    if geometry is None:
        return "it has no voxel size"
    if not geometry.regular:
        return f"it is not one regular grid: {geometry.irregular}"
    if _skewed(geometry):
        return SKEWED
    if axes != "kji":
        return "it has more than three axes, or colour"
    if array.nbytes > LARGEST_IN_DICOM:
        return "it is too large for one DICOM file that every reader takes"
    return ""


def _add_dicom_volume(stage: Stage, item: Item, array: NDArray[Any], geometry: Geometry | None) -> None:
    from vasculum.dicom.enhance import write_volume
    from vasculum.formats.picture import display_window

    assert geometry is not None
    series = item.series
    dtype = _even(array)
    window = _window(item) or display_window(array)
    name = stage.names.image()
    written = write_volume(
        stage.path_of(name),
        slabs(array, dtype if dtype != array.dtype else None),
        geometry=geometry,
        dtype=dtype,
        modality=series.modality,
        context=stage.context(item),
        series_uid=_series_uid(item),
        series_number=stage.number_of(item),
        label=title_of(item),
        sop_instance_uid=_instance_uid(item, "image"),
        attributes=item.description.attributes,
        source_headers=_turned(item.headers, series.geometry),
        window=window,
        unit=item.description.voxels.unit if item.description.voxels else "",
        when=stage.when,
        refers_to_sources=False,
    )
    stage.keep_written(item, written, geometry)
    what = f"multi-frame {series.modality or 'image'} ({written.frames} frames)"
    stage.add_made(item, name, what, DICOM_TYPE, aligned=True)
    header = stage.names.data(title_of(item), ".nhdr")
    _write_header(stage, header, name, item, geometry)
    stage.add_made(item, header, f"NRRD header into {name}", NRRD_TYPE)
    stage.add_object(item, "Volume", header, window=window)


def _write_header(
    stage: Stage, header: str, image: str, item: Item, geometry: Geometry, keys: Mapping[str, str] | None = None
) -> None:
    from vasculum.formats import nrrd

    written = stage.written[item.series.id]
    nrrd.write_header(
        stage.path_of(header),
        dtype=np.dtype(written.dtype),
        geometry=geometry,
        data_file=f"../../{image}",
        byte_skip=written.pixel_offset,
        keys={**(keys or {}), **_keys(item), f"{MARK_PREFIX}sop_instance_uid": written.sop_instance_uid},
    )


def _add_plain_volume(stage: Stage, item: Item, array: NDArray[Any], geometry: Geometry | None, reason: str) -> None:
    from vasculum.formats import nrrd
    from vasculum.formats.picture import display_window

    axes = _axes(item)
    suffix = ".seq.nrrd" if "t" in axes else ".nrrd"
    name = stage.names.data(title_of(item), suffix)
    compact = array.nbytes <= LARGEST_IN_DICOM
    nrrd.write(
        stage.path_of(name),
        array,
        geometry,
        axes=axes,
        encoding="gzip" if compact else "raw",
        attributes=_keys(item),
    )
    stage.add_made(item, name, f"NRRD, not DICOM: {reason}", NRRD_TYPE)
    stage.note(item, "not-dicom", f"stored as NRRD, not DICOM: {reason}")
    tag = "Sequence" if "t" in axes else "VectorVolume" if "c" in axes else "Volume"
    stage.add_object(item, tag, name, window=display_window(array) if tag == "Volume" else None)


def _no_label_map(
    array: NDArray[Any], geometry: Geometry, segments: Sequence[Segment], boxes: Sequence[Mapping[int, Extent]]
) -> str:
    """Say why a segmentation cannot be one label map; empty if it can."""
    if reason := _not_for_dicom(array, geometry, "kji" if array.ndim == 3 else "tkji"):
        return reason
    values = [segment.label_value for segment in segments]
    if not segments or len(set(values)) < len(values):
        return "its segments do not have a label value each"
    if min(values) < 1 or max(values) > np.iinfo(np.uint16).max:
        return "a label value is not between 1 and 65535"
    if not set(boxes[0]) <= set(values):
        return "it has label values that no segment names"
    return ""


def _add_label_map(
    stage: Stage,
    item: Item,
    array: NDArray[Any],
    geometry: Geometry,
    segments: Sequence[Segment],
    extents: Mapping[int, Extent],
) -> None:
    from vasculum.dicom.seg import write_labelmap

    wide = max(s.label_value for s in segments) > np.iinfo(np.uint8).max or array.size % 2
    dtype = np.dtype(np.uint16 if wide else np.uint8)
    name = stage.names.image()
    written = write_labelmap(
        stage.path_of(name),
        slabs(array, dtype),
        geometry=geometry,
        dtype=dtype,
        segments=segments,
        context=stage.context(item),
        series_uid=_series_uid(item),
        series_number=stage.number_of(item),
        label=title_of(item),
        sop_instance_uid=_instance_uid(item, "segmentation"),
        source=_source(stage, item),
        when=stage.when,
    )
    stage.keep_written(item, written, geometry)
    stage.add_made(item, name, f"label map segmentation of {len(segments)} segments", DICOM_TYPE, aligned=True)
    header = stage.names.data(title_of(item), ".seg.nhdr")
    _write_header(stage, header, name, item, geometry, segment_keys(segments, extents))
    stage.add_made(item, header, f"segmentation header into {name}", NRRD_TYPE)
    stage.add_object(item, "Segmentation", header, reference=_reference(stage, item))


def _add_plain_segmentation(
    stage: Stage,
    item: Item,
    array: NDArray[Any],
    geometry: Geometry,
    segments: Sequence[Segment],
    extents: Mapping[int, Extent],
    reason: str,
) -> None:
    from vasculum.formats import segnrrd

    name = stage.names.data(title_of(item), ".seg.nrrd")
    segnrrd.write(stage.path_of(name), array, geometry, segments, attributes=_keys(item), extents=extents)
    stage.add_made(item, name, f"segmentation as NRRD, not DICOM: {reason}", NRRD_TYPE)
    stage.note(item, "not-dicom", f"stored as NRRD, not DICOM: {reason}")
    stage.add_object(item, "Segmentation", name, reference=_reference(stage, item))


def _even(array: NDArray[Any]) -> np.dtype[Any]:
    """Widen an odd number of bytes: pynrrd refuses the pad byte that DICOM would put behind them."""
    if array.nbytes % 2 == 0:
        return array.dtype
    return np.dtype(np.int16 if array.dtype == np.int8 else np.uint16)


def _series_uid(item: Item) -> str:
    """A series that was DICOM before is another one now (PS3.3 C.7.3.1: its objects are converted); others keep theirs.

    Where one DICOM series became several (other grids, other versions of its instances), each has a UID of its own.
    """
    from vasculum.dicom.uids import uid_from

    return (
        uid_from("bundle", "series", item.series.uid, *_content(item)) if item.description.dicom else item.series.uid
    )


def _instance_uid(item: Item, what: str) -> str:
    from vasculum.dicom.uids import uid_from

    return uid_from("bundle", what, item.series.uid, *_content(item))


def _content(item: Item) -> list[str]:
    """What tells apart series of one UID: the digests of their files."""
    return sorted(file.blob.sha256 for file in item.series.files)


def _turned(headers: Sequence[Mapping[str, Any]], geometry: Geometry | None) -> Sequence[Mapping[str, Any]]:
    """Slice headers in the order of the slices after `right_handed`."""
    return headers[::-1] if geometry is not None and not geometry.right_handed else headers


def _window(item: Item) -> tuple[float, float] | None:
    """Centre and width that the source states."""
    attributes = item.description.attributes
    try:
        centre, width = (float(attributes[name][0]) for name in ("WindowCenter", "WindowWidth"))
    except (KeyError, IndexError, ValueError, TypeError):
        return None
    return (centre, width) if width > 0 and np.isfinite([centre, width]).all() else None


def _keys(item: Item) -> dict[str, str]:
    return {f"{MARK_PREFIX}{key}": value for key, value in marks_of(item.series).items()}


def _marked(segment: Segment, item: Item) -> Segment:
    """Segment tags are the only place of a segmentation file that outlives a Slicer save."""
    return replace(segment, tags={**segment.tags, f"{MARK_PREFIX}series": item.series.id})


def _source(stage: Stage, item: Item) -> SourceImage | None:
    """The volume that was segmented, where it is a DICOM object of the bundle."""
    from vasculum.dicom.seg import SourceImage

    source = next((s for s in _sources(item) if s in stage.written), None)
    return SourceImage.of(stage.written[source], stage.geometries[source]) if source else None


def _reference(stage: Stage, item: Item) -> str:
    volumes = {one.series for one in stage.objects if one.tag in {"Volume", "VectorVolume"}}
    return next((s for s in _sources(item) if s in volumes), "")


def _sources(item: Item) -> tuple[str, ...]:
    return (*item.sources, *item.series.sources)


VOXEL_KINDS = frozenset({Kind.VOLUME, Kind.IMAGE})
"""Kinds that `add_volume` packs."""
