"""`python -m entrypoints` runs `matinee`."""

from entrypoints.launch import main

main()
