"""Data elements out of bytes (PS3.5 chapter 7): the loop on which the speed of every import depends."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import NamedTuple

from vasculum.errors import Unreadable

from .source import Inflated, Source
from .tables import BINARY_VRS, LONG_VRS, SHORT_VRS, SIGN_DEPENDENT, private_vr, standard_entry

UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 48
"""Sequences within sequences. Structured reports go to about a dozen."""
MAX_SEQUENCE_BYTES = 512 * 2**20
MAX_ELEMENTS = 2_000_000
"""Elements in all, nested ones included. Ten thousand frames with functional groups have about half of that."""
BULK_BYTES = 1024
"""Binary values longer than this stay in the file; their place is kept."""
MAX_TEXT_BYTES = 2**20
FIRST_READ = 16 * 1024

PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
"""Double Float, Float and plain Pixel Data."""
_PIXEL_REPRESENTATION = 0x00280103
_SEQUENCE_END = 0xFFFEE0DD
_ITEM_END = 0xFFFEE00D
_ITEM = 0xFFFEE000

VRS = {vr.encode(): (vr, True) for vr in LONG_VRS} | {vr.encode(): (vr, False) for vr in SHORT_VRS}
_SHORT = {vr.encode(): vr for vr in SHORT_VRS}


class Element(NamedTuple):
    """A data element."""

    vr: str
    value: bytes | list[DataSet] | None
    """Value bytes as they stand, the items of a sequence, or None for bulk that stays in the file."""
    offset: int
    """Of the first value byte in the file (in the inflated stream, where it is deflated)."""
    length: int
    """In bytes; `UNDEFINED` for encapsulated pixels and sequences with delimiters."""


DataSet = dict[int, Element]
"""Elements by tag (group * 65536 + element)."""


class Short(Exception):
    """More bytes are needed than are at hand."""


class Broken(Exception):
    """The encoding makes no sense from here on."""


class Walker:
    """Reads elements from a moving window over a source."""

    def __init__(self, source: Source, window: bytes, base: int, *, implicit: bool, little: bool) -> None:
        self.source = source
        self.window = window
        self.base = base
        self.implicit = implicit
        self.signed: bool | None = None
        self.count = 0
        self.set_order(little)

    def set_order(self, little: bool) -> None:
        self.little = little
        order = "<" if little else ">"
        self.explicit_head = struct.Struct(order + "HH2sH").unpack_from
        self.implicit_head = struct.Struct(order + "HHI").unpack_from
        self.long = struct.Struct(order + "I").unpack_from
        self.order = order

    def remaining(self, position: int) -> int:
        """Bytes of the window from a position in the source."""
        return self.base + len(self.window) - position

    def ensure(self, position: int, count: int) -> None:
        """Bring bytes from `position` on into the window; fewer than `count` at the end of the source."""
        if position >= self.base and self.remaining(position) >= count:
            return
        self.window = self.source.read(position, max(count, 4 * FIRST_READ))
        self.base = position

    def guess_implicit(self, position: int, assumed: bool) -> bool:
        """Look at the first element: two capital letters after the tag are a representation (PS3.5 7.1.2)."""
        vr = self.window[position - self.base + 4 : position - self.base + 6]
        if len(vr) < 2:
            return assumed
        return not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B)

    def adapt(self, position: int, faults: list[str] | None) -> None:
        """Read the data set as it is where it is not as its transfer syntax says."""
        at = position - self.base
        group = struct.unpack_from("<H", self.window, at)[0]
        if group not in (0, 2) and (group & 0xFF) == 0 and self.little:
            self.set_order(False)
            if faults is not None:
                faults.append("the data set is big endian, although its transfer syntax says little endian")
        elif not self.little and group and not group >> 8:
            self.set_order(True)
            if faults is not None:
                faults.append("the data set is little endian, although its transfer syntax says big endian")
        found = self.guess_implicit(position, self.implicit)
        if found != self.implicit:
            self.implicit = found
            if faults is not None:
                word = "implicit" if found else "explicit"
                faults.append(
                    f"the data set has {word} value representations, although its transfer syntax says otherwise"
                )

    def top(self, position: int, into: DataSet, only: Collection[int] | None, stop_group: int = 0) -> int:
        """Read top-level elements into `into`, up to the end or out of a group; give the position reached."""
        last = max(only) if only else 0
        while True:
            if not self.implicit:
                position = self.run(position, into, only, stop_group, last)
            self.ensure(position, 12)
            if self.remaining(position) < 8:
                if self.remaining(position) > 0 and any(self.window[position - self.base :]):
                    raise Broken("the last element is cut off")
                return position
            at = position - self.base
            if stop_group and self.implicit_head(self.window, at)[0] != stop_group:
                return position
            try:
                tag, vr, length, value_at = self.head(self.window, at, into, self.implicit)
            except (Short, struct.error):
                raise Broken("the last element is cut off") from None
            if last and tag > last:
                return position
            if tag in (_ITEM_END, _SEQUENCE_END, _ITEM):
                position += 8
                continue
            position = self.element(tag, vr, length, value_at + self.base, into, only)

    def run(self, position: int, into: DataSet, only: Collection[int] | None, stop_group: int, last: int) -> int:
        """Take elements as long as they are plain: explicit short representations, wholly in the window.

        Most elements are, and this loop is what the speed of a scan depends on.
        """
        window, base, unpack = self.window, self.base, self.explicit_head
        at, size = position - base, len(window)
        if at < 0:
            return position
        while at + 8 <= size:
            group, element, code, length = unpack(window, at)
            vr = _SHORT.get(code)
            end = at + 8 + length
            tag = group << 16 | element
            if vr is None or end > size or (last and tag > last):
                break
            if group == 0xFFFE or (stop_group and group != stop_group):
                break
            if only is None or tag in only:
                into[tag] = Element(vr, window[at + 8 : end], at + 8 + base, length)
            if tag == _PIXEL_REPRESENTATION and length >= 2:
                self.signed = bool(struct.unpack_from(self.order + "H", window, at + 8)[0])
            at = end
            self.count += 1
        self.check_count()
        return at + base

    def check_count(self) -> None:
        if self.count > MAX_ELEMENTS:
            raise Unreadable(f"the header has more than {MAX_ELEMENTS} elements", hint="the file may be malicious")

    def element(self, tag: int, vr: str, length: int, start: int, into: DataSet, only: Collection[int] | None) -> int:
        """Take one top-level element whose value starts at `start`; give the position after it."""
        wanted = only is None or tag in only
        self.count += 1
        if tag in PIXEL_TAGS:
            into[tag] = Element(vr, None, start, length)
            return self.after_pixels(start, length)
        if length == UNDEFINED or (vr == "SQ" and wanted):
            items: list[DataSet] = []
            if wanted:
                into[tag] = Element("SQ", items, start, length)  # kept as far as it can be read
            return self.sequence_from(start, length, vr, items)
        self.check_end(tag, start, length)
        if not wanted:
            return start + length
        if is_bulk(vr, length):
            into[tag] = Element(vr, None, start, length)
            return start + length
        self.ensure(start, length)
        at = start - self.base
        value = self.window[at : at + length]
        if len(value) < length:
            raise Broken(f"element {tag:08X} is cut off")
        into[tag] = Element(vr, value, start, length)
        if tag == _PIXEL_REPRESENTATION and length >= 2:
            self.signed = bool(struct.unpack_from(self.order + "H", value)[0])
        return start + length

    def check_end(self, tag: int, start: int, length: int) -> None:
        if start + length > self.source.size:
            raise Broken(f"element {tag:08X} declares {length} bytes, beyond the end of the file")

    def after_pixels(self, start: int, length: int) -> int:
        """Step over native pixels; encapsulated ones end the header (what follows them is padding or signatures)."""
        if length == UNDEFINED or start + length >= self.source.size or isinstance(self.source, Inflated):
            self.window, self.base = b"", self.source.size
            return self.source.size
        return start + length

    def sequence_from(self, start: int, length: int, vr: str, found: list[DataSet]) -> int:
        """Read a top-level sequence, bringing in as much of the file as it needs; give the position after it."""
        have = self.source.size - start
        if length != UNDEFINED:
            if min(length, have) > MAX_SEQUENCE_BYTES:
                raise Broken("a sequence is larger than the limit")
            self.ensure(start, min(length, have))
        implicit = self.implicit or vr == "UN"
        while True:
            end = start - self.base + length if length != UNDEFINED else None
            found.clear()
            counted = self.count
            try:
                return self.items(self.window, start - self.base, end, implicit, 1, found) + self.base
            except (Short, struct.error):
                self.count = counted  # it is read again from its start
                before = self.remaining(start)
                if before >= min(MAX_SEQUENCE_BYTES, have) or length != UNDEFINED:
                    raise Broken("a sequence is cut off") from None
                self.window = self.source.read(start, max(4 * FIRST_READ, 2 * before))
                self.base = start
                if len(self.window) <= before:
                    raise Broken("a sequence is cut off") from None

    def head(self, window: bytes, at: int, siblings: DataSet, implicit: bool) -> tuple[int, str, int, int]:
        """Read tag, representation and length; give them with the index of the value."""
        if implicit:
            group, element, length = self.implicit_head(window, at)
            tag = group << 16 | element
            if group == 0xFFFE:
                return tag, "", length, at + 8
            return tag, self.known_vr(tag, siblings), length, at + 8
        group, element, code, length = self.explicit_head(window, at)
        tag = group << 16 | element
        if group == 0xFFFE:
            return tag, "", 0, at + 8
        known = VRS.get(code)
        if known is None:
            raise Broken(f"element {tag:08X} has no readable value representation")
        vr, is_long = known
        if not is_long:
            return tag, vr, length, at + 8
        (length,) = self.long(window, at + 8)
        if vr == "UN" and (length != UNDEFINED):
            better = self.known_vr(tag, siblings)
            if better != "SQ" or length >= 8:
                vr = better
        return tag, vr, length, at + 12

    def known_vr(self, tag: int, siblings: DataSet) -> str:
        """Look the representation up in the dictionaries (PS3.6, and those of private creators)."""
        if tag >> 16 & 1:
            element = tag & 0xFFFF
            if element < 0x10:
                return "UL" if not element else "UN"
            if element <= 0xFF:
                return "LO"
            creator = siblings.get((tag & 0xFFFF0000) | element >> 8)
            if creator is None or not isinstance(creator.value, bytes):
                return "UN"
            return self.one_vr(private_vr(tag, creator.value.rstrip(b" \0").decode("latin-1")), tag)
        return self.one_vr(standard_entry(tag)[0] or "UN", tag)

    def one_vr(self, vr: str, tag: int) -> str:
        """Decide between the representations of the dictionary (``US or SS`` by Pixel Representation)."""
        if len(vr) == 2:
            return vr
        if tag in SIGN_DEPENDENT:
            return "SS" if self.signed else "US"
        return "UN" if vr == "NONE" else "OW"

    def items(self, window: bytes, at: int, end: int | None, implicit: bool, depth: int, found: list[DataSet]) -> int:
        """Read the items of a sequence from the window into `found`; give the index after it.

        Raises
        ------
        Unreadable
            Sequences nest deeper than the limit.
        """
        if depth > MAX_DEPTH:
            raise Unreadable(f"sequences are nested more than {MAX_DEPTH} deep", hint="the file may be malicious")
        while end is None or at < end:
            if at + 8 > len(window):
                raise Short
            group, element, length = self.implicit_head(window, at)
            tag = group << 16 | element
            at += 8
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM:
                raise Broken("a sequence holds something that is not an item")
            stop = None if length == UNDEFINED else at + length
            if stop is not None and end is not None and stop > end:
                stop = end
            item: DataSet = {}
            found.append(item)
            at = self.item(window, at, stop, implicit, depth, item)
            self.count += 1 + len(item)
            self.check_count()
        return at

    def item(self, window: bytes, at: int, stop: int | None, implicit: bool, depth: int, item: DataSet) -> int:
        """Read the elements of one item into `item`; give the index after it."""
        if not implicit and (stop is None or at + 8 <= stop):
            # an item may be implicit inside an explicit set (PS3.5 6.2.2, note on UN)
            implicit = window[at : at + 2] != b"\xfe\xff" and self.guess_implicit(at + self.base, False)
        while stop is None or at < stop:
            if at + 8 > len(window):
                raise Short
            tag, vr, length, start = self.head(window, at, item, implicit)
            if tag == _ITEM_END:
                return start
            if tag >> 16 == 0xFFFE:
                raise Broken("an item ends where it should not")
            if vr == "SQ" or length == UNDEFINED:
                inner = None if length == UNDEFINED else start + length
                value: list[DataSet] = []
                item[tag] = Element("SQ", value, start + self.base, length)
                at = self.items(window, start, inner, implicit or vr == "UN", depth + 1, value)
                continue
            at = start + length
            if at > len(window) or (stop is not None and at > stop):
                raise Short
            bulk = None if is_bulk(vr, length) else window[start:at]
            item[tag] = Element(vr, bulk, start + self.base, length)
        return at


def is_bulk(vr: str, length: int) -> bool:
    """True for values that are referred to by place instead of being held."""
    return length > BULK_BYTES and (vr in BINARY_VRS or length > MAX_TEXT_BYTES)
