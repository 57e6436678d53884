"""What a plugin may add. A plugin is a package with an entry point in the group ``vasculum``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from vasculum.formats.base import Format

hookspec = pluggy.HookspecMarker("vasculum")
hookimpl = pluggy.HookimplMarker("vasculum")


@hookspec
def register_formats() -> Sequence[Format]:  # type: ignore[empty-body]
    """Give further file formats (objects that satisfy `vasculum.formats.base.Format`), most specific first."""
