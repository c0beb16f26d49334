"""Secrets that sign tokens: which ones nobody finds by trying."""

MIN_SECRET_BYTES = 32
"""As many as the hash of HS256 has (RFC 7518, 3.2)."""

MIN_DISTINCT_BYTES = 8
"""A random secret of 32 hex digits has fewer once in 30 million."""

MIN_PATTERN_BYTES = 16
"""A text that is shorter than this, and repeated, has no more to guess than the text itself."""


def weakness(secret: bytes) -> str | None:
    """The rule that a secret breaks, in words that go after its name; None if it can sign."""
    if len(secret) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} bytes long"
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        return f"must have at least {MIN_DISTINCT_BYTES} different characters: use a random one"
    if any(secret[period:] == secret[:-period] for period in range(1, MIN_PATTERN_BYTES)):
        return f"must not repeat a text shorter than {MIN_PATTERN_BYTES} bytes: use a random one"
    return None
