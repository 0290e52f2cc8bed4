"""Spools in memory where there is a tmpfs."""

from tests.spool.conftest import fast_folder, lab

__all__ = ["fast_folder", "lab"]
