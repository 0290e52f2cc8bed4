"""One module a subcommand, each exporting `command`; imported only when it is typed."""
