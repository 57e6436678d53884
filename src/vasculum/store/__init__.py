"""Bytes, by their SHA-256: durable when acknowledged, verified when read."""

from .base import BlobStore, How, Incoming, Refusal, Stored
from .local import LocalStore

__all__ = ["BlobStore", "How", "Incoming", "LocalStore", "Refusal", "Stored"]
