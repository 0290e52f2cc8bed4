"""Functions as jobs: packing a call, running it in a process of its own, and reading what came of it."""
