"""What ``bench/dispatch.py`` consists of: the systems, how they are measured, and what is reported."""
