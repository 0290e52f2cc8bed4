"""Runs the jobs of an exported batch on a cluster, as a node of a spool runs them: ``python3 -m runner``.

It travels with the export. Whatever Python a cluster has must do: 3.6 and its standard library.
"""
