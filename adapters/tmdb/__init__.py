"""TMDB as a source of movies: `source` implements the port, `client` speaks HTTP, `payloads` parses."""
