"""Who may what: policies that yield a `Query` (comes with users and rights)."""
