"""Notices: what is told, by what, and that it is told once."""
