"""How long work tells how far it is. Faces draw it; nothing below a face prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how far a job is. One phase at a time: start, advance as often as needed, done."""

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a phase. `title` is a short phrase for people; `total` is None where the end is not known."""
        ...

    def advance(self, n: int = 1) -> None:
        """Count `n` more items of the phase as finished."""
        ...

    def done(self) -> None:
        """End the phase."""
        ...


class Silent:
    """Progress that nobody watches."""

    def start(self, title: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, n: int = 1) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""
