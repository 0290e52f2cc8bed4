"""A real Synapse on loopback: a home server that tests start, register users with, and read as they do."""
