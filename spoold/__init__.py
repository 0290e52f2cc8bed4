"""The spool: layout, tickets, claims, archive, steward."""
