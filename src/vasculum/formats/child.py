"""A limited child process as its parent sees it: asked in batches, watched, ended and started anew where it must be."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO

from vasculum.errors import Unavailable, Unreadable
from vasculum.formats.jobs import Answer, Job, Limits
from vasculum.formats.wire import from_bytes, to_bytes

START_SECONDS = 120.0
"""How long a child may take to start on a busy machine."""

WATCH_SECONDS = 0.05
"""How often clocks are looked at."""

_SPARE_BYTES = 1024
"""What an answer is longer than its value."""


class Ended(Exception):
    """The child is gone."""


class Child:
    """One process; used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.deadline: float | None = None
        """When `Watch` ends the process, by `time.monotonic`."""
        self._process: subprocess.Popen[bytes] | None = None
        self._overdue = False
        self._fresh = True
        self._stopped = False

    def run(self, jobs: Sequence[Job]) -> list[Answer]:
        """Do jobs, one answer each, in order. A job that ends the process is refused, and the rest go on.

        A job whose process crashed is tried once more in a fresh one: the fault may be that of the job before it.

        Raises
        ------
        Unavailable
            No child can be started.
        """
        answers: list[Answer] = []
        while len(answers) < len(jobs):
            started = len(answers)
            self._start()
            try:
                self._send(to_bytes(list(jobs[started:])))
                for job in jobs[started:]:
                    answers.append(self._receive(job.seconds))
                    self._fresh = False
            except Ended:
                alone, why, crashed = self._fresh, *self._end()
                if self._stopped:
                    raise Unavailable("reading was stopped") from None
                if alone or not crashed:
                    answers.append(Answer(refusal=why, kind=Unreadable.kind))
        return answers

    def stop(self) -> None:
        """End the process at once and start no other; from any thread."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def expire(self) -> None:
        """End the process because its time is over; from the watch."""
        self._overdue = True
        self._kill()

    def close(self) -> None:
        """End the process and collect it."""
        if self._process is not None:
            self._end()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            self._end()
        if self._stopped:
            raise Unavailable("reading was stopped")
        self._fresh = True
        with tempfile.TemporaryFile() as errors:
            try:
                self._process = _spawn(self.limits, errors)
                self._receive(START_SECONDS / self.limits.stall_factor)
            except OSError as error:
                raise Unavailable(
                    "no process for reading files could be started", hint=str(error.strerror)
                ) from error
            except Ended:
                self._end()
                errors.seek(0)
                last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise Unavailable("the process for reading files does not start", hint=last) from None

    def _end(self) -> tuple[str, bool]:
        """Collect the process; say why it ended, and whether it crashed (True) or took too much (False)."""
        process, self._process, self.deadline = self._process, None, None
        if process is None:
            return "its reader was stopped", True
        with contextlib.suppress(OSError):
            process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        code = process.wait()
        if self._overdue or (hasattr(signal, "SIGPROF") and code == -signal.SIGPROF):
            return "reading it takes longer than the limit", False
        return "its reader crashed on it", True

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise Ended
        return self._process.stdin, self._process.stdout

    def _send(self, content: bytes) -> None:
        try:
            stream = self._pipes()[0]
            stream.write(struct.pack("<I", len(content)) + content)
            stream.flush()
        except OSError as error:
            raise Ended from error

    def _receive(self, seconds: float) -> Answer:
        self._overdue = False
        self.deadline = time.monotonic() + seconds * self.limits.stall_factor
        try:
            stream = self._pipes()[1]
            head = stream.read(4)
            if len(head) < 4:
                raise Ended
            length = struct.unpack("<I", head)[0]
            if length > self.limits.output_bytes + _SPARE_BYTES:
                raise Ended
            content = stream.read(length)
            if len(content) < length:
                raise Ended
            return from_bytes(content, Answer)
        except (OSError, ValueError) as error:
            raise Ended from error
        finally:
            self.deadline = None


class Watch:
    """Ends children whose time is over."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vasculum-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            now = time.monotonic()
            for child in self._children:
                if child.deadline is not None and now > child.deadline:
                    child.expire()


def _spawn(limits: Limits, errors: BinaryIO | IO[bytes]) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    # The child must find what the parent has found, notebook or script; and never a module in the working folder.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if Path(path).is_absolute())
    environment["PYTHONSAFEPATH"] = "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ):
        environment[name] = "1"  # each thread of these reserves memory that counts against the limit
    command = [sys.executable, "-X", "utf8", "-m", "vasculum.formats.worker", str(limits.output_bytes)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
