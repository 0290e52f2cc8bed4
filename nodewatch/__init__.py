"""One workstation: pick, scratch, run, pause, upload."""
