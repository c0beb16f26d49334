"""Outages under load: what is away, what clients see of it, and how it heals.

`python -m tests.outages` plays them all at length and prints a table (`make outages`);
tests/e2e/test_outages.py plays them in short.
"""
