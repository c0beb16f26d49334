"""The ways in: HTTP and the command line, the settings, and the composition root."""
