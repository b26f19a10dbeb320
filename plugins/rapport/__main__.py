"""`python -m rapport`."""

from rapport.cli import main

main()
