"""``python -m vasculum``."""

from vasculum.cli.main import run

if __name__ == "__main__":
    raise SystemExit(run())
