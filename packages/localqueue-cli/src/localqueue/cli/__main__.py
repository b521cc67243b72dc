"""``python -m localqueue.cli``."""

from localqueue.cli._entry import main

main()
