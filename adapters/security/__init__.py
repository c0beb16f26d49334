"""Passwords and tokens: argon2-cffi and PyJWT behind PasswordHasher and AccessTokens."""
