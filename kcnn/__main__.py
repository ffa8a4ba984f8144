"""`python -m kcnn` is `kcnn`."""

from kcnn.cli.main import main

main()
