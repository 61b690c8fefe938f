"""`python -m assent.cli` is the same as `assent`."""

from assent.cli import main

main()
