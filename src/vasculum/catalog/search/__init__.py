"""The language of searches, and how a search becomes SQL."""
