"""Fetching results: which files, from where without following links, to where without leaving it."""
