"""The words of the field as frozen dataclasses. Imports the standard library and numpy only."""
