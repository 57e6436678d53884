"""The child process that reads untrusted files under limits: ``python -m vasculum.formats.worker``.

Speaks over its standard input and output: a 4-byte little-endian length, then a `wire` value; in come lists of `Job`,
out go `Answer`, one each. Nothing else is ever written there: what libraries print goes nowhere.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import signal
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vasculum.errors import Unreadable, VasculumError
from vasculum.formats import tasks
from vasculum.formats.jobs import Answer, Assemble, Examine, Job, Print, Task
from vasculum.formats.wire import from_bytes, to_bytes

if sys.platform != "win32":
    import resource

LONGEST_REASON = 400


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    from vasculum.formats.registry import formats

    formats()  # imported before the clock runs, and while errors can still be seen
    incoming, outgoing = _isolate()
    _send(outgoing, Answer())
    limit = int(sys.argv[1])
    while (batch := _receive(incoming)) is not None:
        for job in batch:
            with _limited(job):
                answer = _answer(job)
            if len(answer.value) > limit:
                answer = Answer(refusal="its description is larger than the limit", kind=Unreadable.kind)
            _send(outgoing, answer)


def _isolate() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves; give libraries a null device for their output and no input."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    faulthandler.disable()
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # where memory runs out, it is this process that goes
            Path("/proc/self/oom_score_adj").write_text("1000")
    return incoming, outgoing


def _receive(stream: BinaryIO) -> list[Job] | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    return from_bytes(stream.read(struct.unpack("<I", head)[0]), list[Job])


def _send(stream: BinaryIO, answer: Answer) -> None:
    content = to_bytes(answer)
    stream.write(struct.pack("<I", len(content)) + content)
    stream.flush()


@contextlib.contextmanager
def _limited(job: Job) -> Iterator[None]:
    """Hold a job to its limits: the system ends this process where it takes more time than it may."""
    if sys.platform != "win32":  # there, the parent's clock is all there is
        _soft(resource.RLIMIT_AS, job.memory_bytes + job.mapped_bytes)
        _soft(resource.RLIMIT_DATA, job.memory_bytes)
        _soft(resource.RLIMIT_FSIZE, job.written_bytes)
        signal.setitimer(signal.ITIMER_PROF, job.seconds)
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)
            _soft(resource.RLIMIT_AS, resource.RLIM_INFINITY)
            _soft(resource.RLIMIT_DATA, resource.RLIM_INFINITY)


def _soft(which: int, value: int) -> None:
    """Set a limit, as far as the system lets us."""
    if sys.platform != "win32":
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(which)[1]
            if hard != resource.RLIM_INFINITY:
                value = hard if value == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, hard))


def _answer(job: Job) -> Answer:
    """Do a task; whatever goes wrong becomes one sentence, without a value out of the file."""
    try:
        return Answer(to_bytes(_done(job.task)))
    except VasculumError as error:
        return Answer(refusal=_shortened(str(error)), kind=error.kind)
    except MemoryError:
        gc.collect()
        return Answer(refusal="reading it would take more memory than the limit", kind=Unreadable.kind)
    except RecursionError:
        return Answer(refusal="it is nested too deeply", kind=Unreadable.kind)
    except BaseException as error:  # pyo3's PanicException is no Exception; SystemExit of a library is not ours
        reason = f"it is damaged, or of a form that is not known ({type(error).__name__})"
        return Answer(refusal=reason, kind=Unreadable.kind)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _done(task: Task) -> Any:
    if isinstance(task, Examine):
        return tasks.examine(Path(task.path), Path(task.root) if task.root else None)
    if isinstance(task, Assemble):
        return tasks.assemble(task)
    if isinstance(task, Print):
        return tasks.voxel_print(task)
    return tasks.extract(task)


if __name__ == "__main__":
    main()
