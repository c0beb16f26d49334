"""What happens here in figures, for Prometheus: of one process, or of all that share a directory."""
