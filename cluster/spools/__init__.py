"""Jobs in a spool, this machine's own or a lab's: what the two engines have in common."""
