"""``vasculum version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum version
      put it into bug reports
  vasculum version --json"""

LIBRARIES = ("pydicom", "numpy", "nibabel", "tifffile", "imagecodecs", "SQLAlchemy", "isal")
"""Those whose version changes what is read or written."""


def version(*, options: Options = NO_OPTIONS) -> int:
    """Say which version this is, with those of the libraries that read and write for it."""
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import print_json, say

    versions = {
        "vasculum": _installed("vasculum"),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    versions |= {name: _installed(name) for name in LIBRARIES}
    if options.json:
        print_json(versions)
    else:
        for name, number in versions.items():
            say(f"{name:<12} {number}")
    return DONE


def _installed(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "missing"
