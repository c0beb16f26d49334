"""TMDB as a source of movies: `source` is the port, `client` speaks HTTP, `payloads` reads what comes."""
