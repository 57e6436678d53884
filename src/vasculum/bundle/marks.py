"""Our marks: the keys by which an object of a bundle is known again (DESIGN 4.1, 4.3).

A mark says "comes from", never "equals": after an edit in Slicer the mark is still there.
"""

from __future__ import annotations

from vasculum.model.records import Series

MARK_PREFIX = "vasculum."
"""Before every key of ours in MRML, NRRD and DICOM files."""


def marks_of(series: Series) -> dict[str, str]:
    """Give the marks of a series, without prefix: ids and digests only, nothing of a person."""
    marks = {
        "series": series.id,
        "series_uid": series.uid,
        "kind": str(series.kind),
        "voxel_print": series.voxel_print,
    }
    return {key: value for key, value in marks.items() if value}
