"""`distribute run`: a batch on this machine alone, by a private spool and a node of its own."""
