"""Imports of what people have kept in other services: rows of files, scales, matching and decisions."""
