"""``python -m nodewatch``."""

from nodewatch.main import main

main()
