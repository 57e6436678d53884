"""The data dictionary (PS3.6) for those who ask by name: is this word an attribute?"""

from __future__ import annotations

from functools import cache


@cache
def keywords() -> frozenset[str]:
    """Give every keyword of PS3.6 section 6, as ``SliceThickness``."""
    from pydicom.datadict import DicomDictionary

    return frozenset(entry[4] for entry in DicomDictionary.values() if entry[4])


@cache
def _lower_case() -> frozenset[str]:
    return frozenset(keyword.casefold() for keyword in keywords())


def is_attribute(name: str) -> bool:
    """Say whether a name, in any case, is a keyword, or a path of keywords (``Outer.Inner``), or eight hex digits."""
    parts = [part.strip() for part in name.casefold().split(".")]
    return all(part in _lower_case() or (len(part) == 8 and _is_hex(part)) for part in parts)


def tag_of(keyword: str) -> str:
    """Give the tag of a keyword as eight upper-case hex digits, or an empty string."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    return "" if tag is None else f"{tag:08X}"


@cache
def keyword_of(tag: str) -> str:
    """Give the keyword of a tag of eight hex digits; private and unknown ones give the digits in lower case."""
    from pydicom.datadict import keyword_for_tag

    return str(keyword_for_tag(int(tag, 16))) or tag.lower()


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)
