"""The `distribute` command."""
