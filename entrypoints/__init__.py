"""The entry points: HTTP, the command line and the processes; the settings, and the composition root."""
