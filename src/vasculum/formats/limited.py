"""Reading untrusted files in child processes with limits on memory, time and output (DESIGN 9).

Parsers are not sandboxes: they hang, crash, panic and ask for gigabytes on hostile files. Here each of these becomes
one sentence about one file, and the next file is read.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np

from vasculum.errors import Invalid, Unreadable, Unsupported, VasculumError
from vasculum.formats.child import Child, Watch
from vasculum.formats.jobs import Answer, Assemble, Examine, Extract, Job, Limits, Print, Task, Unpacked
from vasculum.formats.wire import from_bytes
from vasculum.model.description import Description
from vasculum.model.plans import FoundFile
from vasculum.model.progress import Progress

__all__ = ["Examiner", "Limits", "Unpacked"]

BATCH_FILES = 32
BATCH_BYTES = 32 * 2**20
"""A batch goes to a child at once: many small files, or few large ones."""

WINDOW_BATCHES = 64
"""How far answers may run ahead of one that is slow."""

LARGEST_EXPANSION = 1100
"""No common compression but that of a bomb exceeds it (deflate: 1,032)."""


class Examiner:
    """Some child processes that read files.

    Parameters
    ----------
    workers
        How many; default: one for each processor.
    limits
        What one file may take.

    Notes
    -----
    Works from scripts without a main guard and from notebooks, on every system. Safe to use from several threads.
    """

    def __init__(self, workers: int | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._children = [Child(self.limits) for _ in range(max(1, workers or os.cpu_count() or 1))]
        self._idle: SimpleQueue[Child] = SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(len(self._children), thread_name_prefix="vasculum-examiner")
        self._watch = Watch(self._children)

    def __enter__(self) -> Examiner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children, whatever they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._watch.stop()
        for child in self._children:
            child.stop()
        self._threads.shutdown()
        for child in self._children:
            child.close()

    # --- files ---------------------------------------------------------------------------------------------------

    def examine(self, path: Path) -> FoundFile:
        """Hash and describe one file. Raises nothing about the file: what is wrong is in `FoundFile.refusal`."""
        return next(self.examine_all([path]))

    def examine_all(
        self, paths: Iterable[Path], progress: Progress | None = None, *, root: Path | None = None
    ) -> Iterator[FoundFile]:
        """Hash and describe files; one answer each, in order, as they come.

        Parameters
        ----------
        paths
            Files; taken as they are needed. Folders, pipes and what is gone are answered with a refusal.
        progress
            Advanced by one for each file.
        root
            The folder into which a container was unpacked: its members may name each other anywhere in it.
        """
        pending: deque[tuple[Sequence[_Seen], Future[list[Answer]]]] = deque()
        batches = _batches(map(_seen, paths))
        try:
            while True:
                for batch in itertools.islice(batches, WINDOW_BATCHES - len(pending)):
                    jobs = [self._job(Examine(seen.path, str(root or "")), seen.size) for seen in batch]
                    pending.append((batch, self._threads.submit(self._run, jobs)))
                if not pending:
                    return
                batch, future = pending.popleft()
                for seen, answer in zip(batch, future.result(), strict=True):
                    yield _found(seen, answer)
                    if progress:
                        progress.advance()
        finally:
            for _, future in pending:
                future.cancel()

    # --- groups and voxels ---------------------------------------------------------------------------------------

    def assemble(self, format_name: str, items: Mapping[str, Description]) -> list[Description]:
        """Sort single files into series by their format (`AssemblingFormat.assemble`).

        Raises
        ------
        Unreadable
            It fails, or takes more than it may.
        """
        size = 2**14 * len(items)
        return from_bytes(_value(self._one(Assemble(format_name, dict(items)), size)), list[Description])

    def voxel_print(self, description: Description, parts: Mapping[str, Path]) -> str:
        """Fingerprint the voxels of a description (DESIGN 4.3); empty where they have no place in space.

        Raises
        ------
        Unreadable
            The voxels cannot be read, or reading them takes more than it may.
        """
        return from_bytes(_value(self._run([self._print_job(description, parts)])[0]), str)

    def voxel_prints(
        self, volumes: Iterable[tuple[Description, Mapping[str, Path]]]
    ) -> Iterator[str | VasculumError]:
        """Fingerprint many volumes, several at once; in order, an error in the place of one that cannot be read."""
        pending: deque[Future[list[Answer]]] = deque()
        waiting = iter(volumes)
        try:
            while True:
                for description, parts in itertools.islice(waiting, WINDOW_BATCHES - len(pending)):
                    pending.append(self._threads.submit(self._run, [self._print_job(description, parts)]))
                if not pending:
                    return
                answer = pending.popleft().result()[0]
                yield _error(answer) if answer.refusal else from_bytes(answer.value, str)
        finally:
            for future in pending:
                future.cancel()

    def extract(self, container: Path, members: Iterable[str], folder: Path, budget: int) -> list[Unpacked]:
        """Unpack members of a container under a folder, at most `budget` bytes together.

        Every member lands at its own relative place under `folder`, or is refused with a reason.

        Raises
        ------
        Unreadable
            The container cannot be read at all.
        """
        task = Extract(str(container), tuple(members), str(folder), budget)
        return from_bytes(_value(self._one(task, _size(container) + budget, budget)), list[Unpacked])

    # --- inside --------------------------------------------------------------------------------------------------

    def _one(self, task: Task, size: int, written: int | None = None) -> Answer:
        return self._run([self._job(task, size, written)])[0]

    def _job(self, task: Task, size: int, written: int | None = None) -> Job:
        return Job(
            task=task,
            seconds=self.limits.examine_seconds(size),
            memory_bytes=self.limits.memory_bytes,
            mapped_bytes=2 * size,
            written_bytes=self.limits.output_bytes if written is None else written,
        )

    def _print_job(self, description: Description, parts: Mapping[str, Path]) -> Job:
        stored = sum(_size(path) for path in parts.values())
        decoded = min(_decoded_bytes(description), LARGEST_EXPANSION * stored)
        return Job(
            task=Print(description, {name: str(path) for name, path in parts.items()}),
            seconds=self.limits.voxel_seconds(stored + decoded),
            memory_bytes=self.limits.memory_bytes,
            mapped_bytes=2 * (stored + decoded),
            written_bytes=max(decoded, self.limits.output_bytes),
        )

    def _run(self, jobs: Sequence[Job]) -> list[Answer]:
        child = self._idle.get()
        try:
            return child.run(jobs)
        finally:
            self._idle.put(child)


class _Seen:
    """A path to examine, with its size and time where it has one."""

    __slots__ = ("mtime_ns", "path", "size")

    def __init__(self, path: str, size: int, mtime_ns: int) -> None:
        self.path, self.size, self.mtime_ns = path, size, mtime_ns


def _seen(path: Path) -> _Seen:
    try:
        status = path.stat()
    except (OSError, ValueError):  # the child says what is wrong with it
        return _Seen(str(path), 0, 0)
    return _Seen(str(path), status.st_size, status.st_mtime_ns)


def _size(path: Path) -> int:
    return _seen(path).size


def _batches(seen: Iterator[_Seen]) -> Iterator[Sequence[_Seen]]:
    """Cut into batches; short ones first, so that a few files keep every child busy."""
    batch: list[_Seen] = []
    weight, longest = 0, 1
    for one in seen:
        batch.append(one)
        weight += one.size
        if len(batch) >= longest or weight >= BATCH_BYTES:
            yield batch
            batch, weight, longest = [], 0, min(longest + 1, BATCH_FILES)
    if batch:
        yield batch


def _found(seen: _Seen, answer: Answer) -> FoundFile:
    if not answer.refusal:
        try:
            return from_bytes(answer.value, FoundFile)
        except Unreadable:
            answer = Answer(refusal="its description cannot be kept")
    return FoundFile(path=seen.path, size=seen.size, mtime_ns=seen.mtime_ns, refusal=answer.refusal)


def _value(answer: Answer) -> bytes:
    if answer.refusal:
        raise _error(answer)
    return answer.value


def _error(answer: Answer) -> VasculumError:
    """Give back the kind of error that the child met."""
    kinds: Mapping[str, type[VasculumError]] = {kind.kind: kind for kind in (Unsupported, Invalid)}
    return kinds.get(answer.kind, Unreadable)(answer.refusal)


def _decoded_bytes(description: Description) -> int:
    voxels: Any = description.voxels
    if voxels is None:
        return 0
    total = np.dtype(voxels.dtype).itemsize
    for size in voxels.sizes:
        total *= max(0, int(size))
    return int(total)
