"""Progress bars on standard error: drawn for people, silent for programs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vasculum.model.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

SECONDS_BETWEEN_DRAWS = 0.1
"""Counting a million files must not cost a million redraws."""


def progress_for(*, json: bool) -> Progress:
    """Give progress bars where a person watches; silence where standard error is no terminal or JSON is asked for."""
    return Silent() if json or not sys.stderr.isatty() else Drawn()


class Drawn:
    """Progress bars by rich, one line a phase."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._waiting = 0
        self._drawn = 0.0

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a line. One that was not ended is ended."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self.done()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
        )
        self._bars = Bars(*columns, console=Console(stderr=True), transient=True)
        self._bars.start()
        self._bars.add_task(title, total=total)

    def advance(self, n: int = 1) -> None:
        """Count, and draw now and then."""
        self._waiting += n
        if time.monotonic() - self._drawn >= SECONDS_BETWEEN_DRAWS:
            self._draw()

    def done(self) -> None:
        """End the line and clear it."""
        self._draw()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _draw(self) -> None:
        if self._bars is not None and self._waiting:
            self._bars.advance(self._bars.task_ids[0], self._waiting)
        self._waiting = 0
        self._drawn = time.monotonic()
