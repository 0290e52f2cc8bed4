"""A batch as a folder that Slurm runs: planned as values, written by a thin writer."""
