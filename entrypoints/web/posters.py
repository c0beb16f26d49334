"""Generated posters, for films without one: title, year and genre as an SVG image."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from zlib import crc32

from markupsafe import Markup

from domain.ids import GenreId
from domain.movies import Genre, Movie

WIDTH, HEIGHT = 200, 300

PALETTE = (
    ("#1f3a5f", "#f4d35e"),
    ("#4a1c40", "#f2b5d4"),
    ("#14453d", "#b7e4c7"),
    ("#5f2a1f", "#ffd6ba"),
    ("#2d2a5f", "#cdc5ff"),
    ("#3d3a14", "#efe9a0"),
    ("#123f4f", "#a8e0f0"),
    ("#55213a", "#ffc9de"),
)
"""Colours of background and text. Each pair has a contrast of 7 or more."""

LINE_WIDTH = 12
"""Columns of a line of the title. Letters of East Asian scripts take two."""

MAX_LINES = 7
LINE_HEIGHT = 26

UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Cs"})
"""Categories of characters: control, format, unassigned, surrogate."""

TEMPLATE = Markup(
    '<svg class="generated" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    ' aria-hidden="true" focusable="false" font-family="system-ui, sans-serif" fill="{text}">'
    '<rect width="{width}" height="{height}" fill="{background}"/>'
    '<g fill="none" stroke="{text}" opacity=".25"><circle cx="{cx}" cy="{cy}" r="70"/>'
    '<circle cx="{cx}" cy="{cy}" r="110"/><circle cx="{cx}" cy="{cy}" r="150"/></g>'
    '<text font-size="20" font-weight="700">{lines}</text>'
    '<text x="16" y="{below}" font-size="15">{facts}</text></svg>'
)
LINE = Markup('<tspan x="16" y="{y}">{line}</tspan>')


def movie_poster(movie: Movie, genres: Mapping[GenreId, Genre]) -> Markup:
    """The generated poster of a film."""
    facts = movie.facts
    names = [genres[each].name for each in facts.genres if each in genres]
    year = str(facts.release_date.year) if facts.release_date else None
    return poster(facts.title, " · ".join(filter(None, (year, *names[:1]))))


@lru_cache(maxsize=1024)
def poster(title: str, facts: str = "", *, name: str = "") -> Markup:
    """A poster with a title and a line below. The colours depend on the title only; on `name` without one."""
    number = crc32((title or name).encode(errors="replace"))
    background, text = PALETTE[number % len(PALETTE)]
    lines = wrapped(title)
    return TEMPLATE.format(
        width=WIDTH,
        height=HEIGHT,
        background=background,
        text=text,
        cx=number // 8 % WIDTH,
        cy=HEIGHT - number // 1600 % 120,
        lines=Markup().join(
            LINE.format(y=38 + LINE_HEIGHT * number, line=line) for number, line in enumerate(lines)
        ),
        below=HEIGHT - 18,
        facts=_cut(facts, 2 * LINE_WIDTH),
    )


def wrapped(title: str) -> list[str]:
    """The lines of a title. A word that is longer than a line is broken; what has no place is cut off."""
    lines = [""]
    for word in _printable(title).split():
        for part in _pieces(word):
            joined = f"{lines[-1]} {part}".strip()
            if _columns(joined) <= LINE_WIDTH:
                lines[-1] = joined
            else:
                lines.append(part)
        if len(lines) > MAX_LINES:
            return [*lines[: MAX_LINES - 1], _cut(f"{lines[MAX_LINES - 1]}…", LINE_WIDTH)]
    return lines


def _pieces(word: str) -> list[str]:
    """The parts of a word, none of them wider than a line."""
    parts = [""]
    for letter in word:
        if _columns(parts[-1] + letter) > LINE_WIDTH:
            parts.append("")
        parts[-1] += letter
    return parts


def _cut(text: str, columns: int) -> str:
    text = _printable(text)
    if _columns(text) <= columns:
        return text
    while _columns(text) >= columns:
        text = text[:-1]
    return f"{text.rstrip('…')}…"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _printable(text: str) -> str:
    """A text without the characters that SVG does not allow, and those that change its direction."""
    spaced = "".join(" " if letter.isspace() else letter for letter in text)
    return "".join(letter for letter in spaced if unicodedata.category(letter) not in UNPRINTABLE)
