"""`python -m distribute_cli` is `distribute`."""

from distribute_cli.main import main

main()
