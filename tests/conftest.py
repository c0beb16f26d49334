"""Fixtures for all tests."""

pytest_plugins = ["tests.contracts.mongo_server", "tests.contracts.valkey_server"]
