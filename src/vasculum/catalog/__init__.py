"""What there is and how it is found: the one floor that speaks SQL."""

from .catalog import Catalog
from .writer import Writer

__all__ = ["Catalog", "Writer"]
