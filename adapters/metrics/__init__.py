"""Metrics for Prometheus, of one process or of all processes that share a directory."""
