"""The sample data of ``vasculum demo``; ATTRIBUTION.md beside this file says where they come from."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parent / "data"
"""The folder of sample data: ``head-ct/``, ``mouse-skull/``, ``specimens.csv``."""

HEAD = "head-ct"
"""Name of the folder, in that folder, of the head CT."""

METADATA_TABLE = "specimens.csv"
"""Name of the table, in that folder, that says what the specimens are, and whose the files are that the demo derives."""
