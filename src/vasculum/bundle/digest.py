"""SHA-256 in a thread beside the one that reads and writes: hashing lets go of the interpreter lock."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class BackgroundDigest:
    """A SHA-256 that is computed one chunk behind; use as a context manager.

    At most one chunk waits, so memory stays that of two chunks.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def update(self, chunk: bytes) -> None:
        """Add a chunk; waits for the one before."""
        self._wait()
        self._pending = self._pool.submit(self._digest.update, chunk)

    def hexdigest(self) -> str:
        """Give the digest of all chunks."""
        self._wait()
        return self._digest.hexdigest()

    def _wait(self) -> None:
        if self._pending:
            self._pending.result()
            self._pending = None
