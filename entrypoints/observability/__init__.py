"""Logs and how secrets are kept out of them, diagnostics, and what a command shows on its terminal."""
