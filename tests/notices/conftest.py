"""A spool in memory, as for the tests of the spool."""

from tests.spool.conftest import fast_folder, hurry, lab, make

__all__ = ["fast_folder", "hurry", "lab", "make"]
