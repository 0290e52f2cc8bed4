"""Reading from the spool what the reports are made of; nothing is decided or printed here."""
