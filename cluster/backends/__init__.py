"""Command lines of batch systems, and what their answers mean: strings in, values out."""
