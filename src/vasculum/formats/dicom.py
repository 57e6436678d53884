"""DICOM files (PS3.10), single and in series: the port over `vasculum.dicom`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vasculum.model.description import Description
from vasculum.model.kinds import Kind

from .base import Head, Locate


class DicomFormat:
    """DICOM, of any SOP class; DICOMDIR; a gzip of one file."""

    name = "dicom"

    def recognises(self, head: Head) -> bool:
        """True for DICM after the preamble, or a plausible first element without one; also inside a gzip."""
        from vasculum.dicom.walk import looks_like_dicom

        start = head.start
        if start[:2] == b"\x1f\x8b":
            try:
                start = zlib.decompressobj(31).decompress(start, 1024)
            except zlib.error:
                return False
            return start[128:132] == b"DICM"
        return looks_like_dicom(start)

    def describe(self, path: Path) -> Description:
        """Describe one file by its header; see `vasculum.dicom.read.describe_file`."""
        from vasculum.dicom.read import describe_file

        return describe_file(path)

    def assemble(self, items: Mapping[str, Description]) -> Sequence[Description]:
        """Sort files into series; see `vasculum.dicom.series.assemble_series`."""
        from vasculum.dicom.series import assemble_series

        return assemble_series(items)

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the values after rescale, or the labels of a segmentation; see `vasculum.dicom.voxels.read_values`."""
        from vasculum.dicom.segments import read_labels
        from vasculum.dicom.voxels import read_values

        if description.kind == Kind.SEGMENTATION and description.voxels is not None:
            return read_labels(description, locate)
        return read_values(description, locate)


FORMATS = (DicomFormat(),)
