"""The log, and the redaction of secrets in it."""
