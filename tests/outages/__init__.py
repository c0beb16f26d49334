"""Outages under load: parts of the environment become unavailable while clients send requests.

`python -m tests.outages` runs all scenarios at length and prints their results (`make outages`);
tests/e2e/test_outages.py runs short ones.
"""
