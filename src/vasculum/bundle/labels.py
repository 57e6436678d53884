"""Label maps: where each label lies, and layers that do not overlap made into one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.formats.segnrrd import Extent
from vasculum.model.description import Segment
from vasculum.model.voxels import release


def label_extents(labels: NDArray[Any]) -> dict[int, Extent]:
    """Find the bounding box of every label but 0.

    Parameters
    ----------
    labels
        Shape (k, j, i), whole numbers; read slice by slice.

    Returns
    -------
    dict
        First and last index along i, j, k by label.
    """
    boxes: dict[int, Extent] = {}
    for k, plane in enumerate(labels):
        for value in np.unique(plane):
            if value == 0:
                continue
            inside = plane == value
            rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            box = (int(columns[0]), int(columns[-1]), int(rows[0]), int(rows[-1]), k, k)
            boxes[int(value)] = _joined(boxes[int(value)], box) if int(value) in boxes else box
        if k % 64 == 0:
            release(labels)
    return boxes


def _joined(one: Extent, other: Extent) -> Extent:
    return (
        min(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        max(one[3], other[3]),
        min(one[4], other[4]),
        max(one[5], other[5]),
    )


def layer_extents(layers: NDArray[Any]) -> list[dict[int, Extent]]:
    """Find the bounding boxes in every layer.

    Parameters
    ----------
    layers
        Label map (k, j, i), or layers of them (t, k, j, i).
    """
    return [label_extents(layer) for layer in (layers[np.newaxis] if layers.ndim == 3 else layers)]


def segment_extents(boxes: Sequence[dict[int, Extent]], segments: Sequence[Segment]) -> dict[int, Extent]:
    """Give the bounding box of each segment by its number; an empty segment has an empty one."""
    empty: Extent = (0, -1, 0, -1, 0, -1)
    return {s.number: boxes[s.layer].get(s.label_value, empty) if s.layer < len(boxes) else empty for s in segments}


def flatten(
    layers: NDArray[Any], segments: Sequence[Segment], scratch: Path
) -> tuple[NDArray[Any], tuple[Segment, ...]] | None:
    """Make one label map of layers; None where segments overlap.

    Parameters
    ----------
    layers
        Shape (t, k, j, i); each segment is one value in one layer.
    scratch
        File to map the result from; the caller deletes it.

    Returns
    -------
    labels, segments
        Shape (k, j, i), mapped; the segments in layer 0 with label values of their own, 1, 2, 3 ...
    """
    dtype = np.uint8 if len(segments) <= np.iinfo(np.uint8).max else np.uint16
    labels = np.memmap(scratch, dtype, "w+", shape=layers.shape[1:])
    for value, segment in enumerate(segments, start=1):
        for k in range(layers.shape[1]):
            inside = layers[segment.layer, k] == segment.label_value
            if labels[k][inside].any():
                return None
            labels[k][inside] = value
        release(layers)
    labels.flush()
    return labels, tuple(replace(s, label_value=n, layer=0) for n, s in enumerate(segments, start=1))
