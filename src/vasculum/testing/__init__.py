"""Tests that ports ship, and hostile files to try them on."""
