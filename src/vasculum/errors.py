"""Every error of ours.

::

    VasculumError
    ├─ NotFound (LookupError)              no such thing here
    ├─ Refused (PermissionError)           the policy says no
    ├─ Unreadable (ValueError)             a file is not what it claims to be
    ├─ Unsupported (NotImplementedError)   understood, but not done
    ├─ Conflict                            same UID, other bytes
    ├─ Invalid (ValueError)                a wrong argument, field or value
    │  └─ QuerySyntax                      with the column and "did you mean"
    ├─ Unavailable                         store, database or peer is away: try again
    └─ Integrity                           a digest does not match

Texts never carry a patient's name or identifier. Faces map `kind` to their own codes.
"""

from __future__ import annotations

__all__ = [
    "Conflict",
    "Integrity",
    "Invalid",
    "NotFound",
    "QuerySyntax",
    "Refused",
    "Unavailable",
    "Unreadable",
    "Unsupported",
    "VasculumError",
]


class VasculumError(Exception):
    """The root of all errors of vasculum.

    Parameters
    ----------
    message
        One sentence: what is wrong, and with which file or id.
    hint
        What to do about it; empty if there is nothing to advise.
    """

    kind = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class NotFound(VasculumError, LookupError):
    """There is no such subject, series, file or field."""

    kind = "not-found"


class Refused(VasculumError, PermissionError):
    """A policy forbids it."""

    kind = "refused"


class Unreadable(VasculumError, ValueError):
    """A file is not what it claims to be, is damaged, or would take more than its limits to read."""

    kind = "unreadable"


class Unsupported(VasculumError, NotImplementedError):
    """The thing is understood but not done here."""

    kind = "unsupported"


class Conflict(VasculumError):
    """The same identifier with other content."""

    kind = "conflict"


class Invalid(VasculumError, ValueError):
    """An argument, a field name or a value is wrong."""

    kind = "invalid"


class QuerySyntax(Invalid):
    """A query cannot be read.

    Parameters
    ----------
    message
        What is wrong.
    column
        Where, counted from 1.
    suggestion
        The nearest known name, or empty.
    """

    kind = "query-syntax"

    def __init__(self, message: str, *, column: int, suggestion: str = "") -> None:
        hint = f"did you mean {suggestion}?" if suggestion else ""
        super().__init__(f"column {column}: {message}", hint=hint)
        self.column = column
        self.suggestion = suggestion


class Unavailable(VasculumError):
    """A store, database, disk or peer is away or full; trying again later may work."""

    kind = "unavailable"


class Integrity(VasculumError):
    """Stored bytes are not the bytes that were stored."""

    kind = "integrity"
