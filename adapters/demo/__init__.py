"""The bundled demo catalogue, so that a first run shows something without a TMDB credential."""

from adapters.demo.source import DemoMovieSource

__all__ = ["DemoMovieSource"]
