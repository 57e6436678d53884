"""The one file: a zip that is a Slicer scene (MRB) and a DICOM file-set, with one copy of the pixels (DESIGN 4.1)."""

from .check import check
from .pack import Item, PackReport, pack
from .read import Bundle, Inspection, inspect, open_bundle

__all__ = ["Bundle", "Inspection", "Item", "PackReport", "check", "inspect", "open_bundle", "pack"]
