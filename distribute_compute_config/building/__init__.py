"""The Python API: each function makes one part of a job file, and says at once what is wrong with it.

What they return are the models of a job file: frozen, comparable, printable.
"""
