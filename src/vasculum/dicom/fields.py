"""Elements by name and type: a thin view over a data set of the walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vasculum.model.geometry import Vector

from .values import Scalar, charset_of, values_of
from .walk import DataSet, Header


@dataclass(frozen=True, slots=True)
class Fields:
    """A data set, or an item of a sequence, read by tag. Missing and ill-formed values give the default."""

    elements: DataSet
    little: bool = True
    charset: tuple[str, ...] = ()

    @classmethod
    def of(cls, header: Header) -> Fields:
        """View the data set of a header."""
        return cls(header.elements, header.little, charset_of(header.elements))

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    def values(self, tag: int) -> list[Scalar]:
        """All values, decoded."""
        element = self.elements.get(tag)
        return [] if element is None else values_of(element, little=self.little, charset=self.charset)

    def texts(self, tag: int) -> tuple[str, ...]:
        """All values as text."""
        return tuple("" if v is None else str(v) for v in self.values(tag))

    def text(self, tag: int) -> str:
        """The first value as text; empty if there is none."""
        values = self.values(tag)
        return str(values[0]).strip() if values and values[0] is not None else ""

    def floats(self, tag: int, count: int = 0) -> tuple[float, ...]:
        """All values as finite numbers; empty if one is not, or if there are not `count` of them (0: any)."""
        values = self.values(tag)
        numbers = [float(v) for v in values if isinstance(v, int | float) and v - v == 0]
        if len(numbers) != len(values) or (count and len(numbers) != count):
            return ()
        return tuple(numbers)

    def number(self, tag: int) -> float | None:
        """The first value as a finite number."""
        numbers = self.floats(tag)
        return numbers[0] if numbers else None

    def integer(self, tag: int, default: int = 0) -> int:
        """The first value as a whole number."""
        number = self.number(tag)
        return int(number) if number is not None else default

    def vector(self, tag: int) -> Vector | None:
        """Three numbers."""
        numbers = self.floats(tag, 3)
        return (numbers[0], numbers[1], numbers[2]) if numbers else None

    def items(self, tag: int) -> list[Fields]:
        """The items of a sequence."""
        element = self.elements.get(tag)
        if element is None or not isinstance(element.value, list):
            return []
        return [Fields(item, self.little, charset_of(item, self.charset)) for item in element.value]

    def item(self, tag: int) -> Fields:
        """The first item of a sequence; an empty one if there is none."""
        items = self.items(tag)
        return items[0] if items else Fields({}, self.little, self.charset)

    def walk(self) -> Iterator[Fields]:
        """This data set and every item below it."""
        yield self
        for tag, element in self.elements.items():
            if isinstance(element.value, list):
                for item in self.items(tag):
                    yield from item.walk()
