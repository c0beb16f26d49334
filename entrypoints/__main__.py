"""`python -m entrypoints` is `matinee`."""

from entrypoints.launch import main

main()
