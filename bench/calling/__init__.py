"""What ``bench/functions.py`` compares: systems that call a Python function in other processes."""
