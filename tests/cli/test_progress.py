"""Progress: drawn for people, silent for programs."""

from __future__ import annotations

import io

import pytest

from vasculum.cli.progress import Drawn, progress_for
from vasculum.model.progress import Silent


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_programs_see_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress_for(json=False), Silent)  # pytest's standard error is no terminal
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(progress_for(json=True), Silent)
    assert isinstance(progress_for(json=False), Drawn)


def test_bars_are_drawn_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = Drawn()
    progress.start("Looking into [files]", 3)
    for _ in range(3):
        progress.advance()
    progress.done()
    progress.start("Without an end")
    progress.advance(5)
    progress.start("The next one ends that before")
    progress.done()
    progress.done()
    assert "Looking into [files]" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
