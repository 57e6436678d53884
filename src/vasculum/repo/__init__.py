"""Repository: the one door."""
