"""The REST API."""

BASE = "/api/v1"
"""How the path of every call begins."""
