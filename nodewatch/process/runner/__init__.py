"""The small program that starts jobs and stays with them: standard library only, no site-packages.

It runs as ``python -I -S`` with its parent folder on the path, so its modules import each other relatively
and nothing else of this project. Everything is imported before the first run: a runner lives for days, while
the files on disk may be replaced by an upgrade.
"""
