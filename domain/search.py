"""Search by title: folding, index terms and ranking, which are the same for every store.

A title is folded to a *key*: lower case, without accents and width, words separated by spaces, or by hyphens
where the title joins them (`WALL·E` is `wall-e`). A store indexes each movie under the *terms* of its keys. A
query is folded in the same way and becomes *term queries*: lists of clauses, each a set of terms. A store
finds the movies that have at least one term of every clause. This module decides which of them match, and in
which order.

Numbers match however they are written (see `numerals`), the last word may be the year of release, and an id
or an address of a film finds that film.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from domain.ids import ImdbId, MovieId, TmdbNumber, movie_address
from domain.numerals import is_number, normalize_numbers

PREFIX_LENGTH = 5
"""Letters of the longest prefix of a word that is a term."""

DELETION_PREFIX_LENGTH = 7
"""Letters at the start of a word or title for which the deletion neighbourhood is indexed (SymSpell's prefix
length). It finds texts with one edit in these letters.
"""

SUFFIX_START = 8
"""Index of the first letter of the indexed suffix. If two edits leave no common deletion, both are before
this letter, so the suffixes are equal.
"""

SUFFIX_LENGTH = 16
"""Letters of a suffix that are indexed. Ranking compares whole texts."""

MIN_NEAR_LENGTH = 4
"""Letters of the shortest word that is matched with typing errors. Shorter words are near too many others."""

KEPT = 4096
"""Keys of titles and names, and terms of words, that are kept. Most words and many names recur."""

MAX_EDITS = 2
"""The largest edit distance that is ever allowed."""

MAX_WORDS = 500
"""Words of a title that are indexed; the limit protects the index from extremely long titles."""

FIRST_YEAR, LAST_YEAR = 1870, 2100
"""The range of numbers that are read as a year of release."""

TermQuery = tuple[frozenset[str], ...]
"""Clauses, presumably the most selective first. A movie must have at least one term of each."""

_UNDECOMPOSED = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h",
        "ŧ": "t", "ŋ": "n", "ə": "e", "&": " and ", "⁄": " ",
    }
)  # fmt: skip
"""Letters that Unicode does not decompose, and signs that stand for a word."""

_UNSPACED = (
    r"\u0e00-\u0eff"  # Thai, Lao
    r"\u1000-\u109f"  # Myanmar
    r"\u1780-\u17ff"  # Khmer
    r"\u3040-\u30ff"  # Hiragana, Katakana
    r"\u3400-\u9fff"  # Han
    r"\U00020000-\U0003ffff"  # Han, rare
)
"""Scripts written without spaces between words, as ranges of code points for a pattern."""

_SCRIPT_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")

_KANA = {katakana: katakana - 0x60 for katakana in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}
"""Katakana to Hiragana."""

_SEPARATORS = {
    ord(char): " " if char.isspace() else "-" for char in map(chr, range(128)) if not char.isalnum()
}
"""What separates words in a key, for the characters of ASCII."""

_DATED = re.compile(r"(.*\w)\W+(\d{4})\W*", re.DOTALL)
"""A text that ends in four digits, bare or in brackets."""


def literal(text: str) -> str:
    """Fold only case and white space, for recognizing a title that was typed exactly."""
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())


def sortable(title: str) -> str:
    """Fold a title for sorting: without case, accents and width, with punctuation."""
    return " ".join(_plain(title).split()) or literal(title)


@lru_cache(maxsize=KEPT)
def key(title: str) -> str:
    """Fold a title for searching. The key is empty only if the title consists of white space.

    Letters and digits remain. Other characters between them become one space, or one hyphen if there was no
    space among them.
    """
    plain = _plain(title)
    if plain.isascii():
        folded = plain.translate(_SEPARATORS)
    else:
        folded = "".join(
            char if char.isalnum() or _is_mark(char) else " " if char.isspace() else "-"
            for char in plain.translate(_KANA)
        )
    if "-" not in folded:
        return " ".join(folded.split()) or "".join(title.split())
    words = ("-".join(filter(None, part.split("-"))) for part in folded.split())
    return " ".join(filter(None, words)) or "".join(title.split())


def compact(title_key: str) -> str:
    """Remove spaces and hyphens from a key."""
    return title_key.replace(" ", "").replace("-", "")


def words(title_key: str) -> tuple[str, ...]:
    """The words of a key: its parts, hyphenated parts joined, and for unspaced scripts single letters and
    pairs of adjacent letters.
    """
    if "-" not in title_key and _has_spaced_words(title_key):
        return tuple(dict.fromkeys(title_key.split()))[:MAX_WORDS]
    found: dict[str, None] = {}
    for chunk in title_key.split():
        parts = chunk.split("-")
        for part in (*parts, "".join(parts)):
            found[part] = None
            if _UNSPACED_LETTER.search(part):
                for run in _SCRIPT_RUNS.findall(part):
                    found.update(dict.fromkeys((*_pairs(run), *_single_letters(run))))
    return tuple(found)[:MAX_WORDS]


def terms(
    titles: Iterable[str],
    *,
    year: int | None = None,
    tmdb_id: int | None = None,
    imdb_id: str | None = None,
) -> frozenset[str]:
    """All index terms of a movie: of its titles, its year of release and its ids."""
    found: set[str] = set()
    for title in dict.fromkeys(titles):
        found.update(_terms(key(title)))
    if year is not None:
        found.add(year_term(year))
    if tmdb_id is not None:
        found.add(_id_term(TmdbNumber(tmdb_id)))
    if imdb_id is not None:
        found.add(_id_term(ImdbId(imdb_id)))
    return frozenset(found)


def _terms(title_key: str) -> list[str]:
    whole, title_words = compact(title_key), words(title_key)
    if not whole:
        return []
    found = [_title_term(whole)]
    # Shorter prefixes of the title are prefixes of its first word.
    found += [_prefix_term(whole[:length]) for length in range(len(title_words[0]) + 1, PREFIX_LENGTH + 1)]
    found += [_title_deletion_term(deletion) for deletion in _deletion_neighbourhood(whole)]
    found += [_title_suffix_term(suffix) for suffix in _suffix_of(whole)]
    for word in title_words:
        found += _terms_of_word(word)
    normalized = normalize_numbers(title_key)
    if normalized:
        found += [_title_term(_joined(normalized)), *normalized]
    return found


@lru_cache(maxsize=KEPT)
def _terms_of_word(word: str) -> tuple[str, ...]:
    return (
        _word_term(word),
        *(_word_term(word[:length]) for length in range(1, min(PREFIX_LENGTH, len(word)) + 1)),
        *(_word_deletion_term(deletion) for deletion in _deletions_of_word(word)),
        *(_word_suffix_term(suffix) for suffix in _suffix_of(word)),
    )


@dataclass(frozen=True)
class Query:
    """A search text and its folded forms. The last word may be incomplete."""

    text: str

    @cached_property
    def key(self) -> str:
        """The folded text."""
        return key(self.text)

    @cached_property
    def compact(self) -> str:
        """The key without spaces and hyphens."""
        return compact(self.key)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words that a matching title contains, in order; pairs of letters for unspaced scripts."""
        return _in_pairs(self.typed_words)

    @cached_property
    def spaced_words(self) -> tuple[str, ...]:
        """The words with a space on either side, the last, which may be incomplete, on the left only. A plain
        key between spaces that has all of them as parts has all words.
        """
        *complete, last = self.words
        return (*(f" {word} " for word in complete), f" {last}")

    @cached_property
    def typed_words(self) -> tuple[str, ...]:
        """The words as typed, for computing edit distances."""
        return tuple(part for chunk in self.key.split() for part in chunk.split("-"))

    @cached_property
    def normalized(self) -> tuple[str, ...]:
        """The words with normalized numbers (`normalize_numbers`); empty if there is no number."""
        return normalize_numbers(self.key)

    @cached_property
    def normalized_compact(self) -> str:
        """The normalized words without spaces."""
        return _joined(self.normalized)

    @cached_property
    def normalized_words(self) -> tuple[str, ...]:
        """The normalized words that a matching title contains, in order; pairs as in `words`."""
        return _in_pairs(self.normalized)

    @cached_property
    def distances(self) -> dict[tuple[str, str], int | None]:
        """The allowed edit distances that were computed for this query, by the words typed and meant. Words
        recur in the titles that a search ranks.
        """
        return {}

    @cached_property
    def address(self) -> TmdbNumber | ImdbId | None:
        """The film that the query names by an IMDb id, or by its address at IMDb or TMDB."""
        return movie_address(self.text)

    @cached_property
    def with_year(self) -> "tuple[Query, int] | None":
        """The query without its last word, and that word as a year; None if it cannot be a year."""
        match = _DATED.fullmatch(self.text)
        if match is None or not FIRST_YEAR <= int(match[2]) <= LAST_YEAR:
            return None
        return Query(match[1]), int(match[2])

    @property
    def empty(self) -> bool:
        """Whether the text has no character to search for."""
        return not self.compact

    def strict_term_queries(self) -> tuple[TermQuery, ...]:
        """The term queries without typing errors: for the exact title, and for titles with all words."""
        exact = {_title_term(self.compact)}
        if not self.normalized:
            return (frozenset(exact),), _all_words(self.words)
        exact.add(_title_term(self.normalized_compact))
        return (frozenset(exact),), _all_words(self.words), _all_words(self.normalized_words)

    def lenient_term_queries(self, common: Collection[str]) -> tuple[TermQuery, ...]:
        """The term queries with typing errors: for titles near the whole query, and for titles that have a
        word near each of its words.

        Words in `common` are matched exactly. If all words are common, the strict term queries suffice.
        """
        whole = self.compact
        near_title = {_title_deletion_term(deletion) for deletion in _deletion_neighbourhood(whole)}
        if len(whole) <= PREFIX_LENGTH:  # a prefix of a title, with other spaces
            near_title |= {_prefix_term(whole), _word_term(whole)}
        term_queries: list[TermQuery] = [(frozenset(near_title),)]
        suffixes = frozenset(_title_suffix_term(suffix) for suffix in _possible_suffixes(whole))
        if suffixes:
            term_queries.append((suffixes,))
        term_queries += [
            _rarest_first([self._near_word_clause(word, common) for word in parts])
            for parts in (self.typed_words, self.normalized)
            if not {part for part in parts if not is_number(part)} <= set(common)
        ]
        return tuple(term_queries)

    def _near_word_clause(self, word: str, common: Collection[str]) -> frozenset[str]:
        if is_number(word):
            return frozenset({word})
        near = (
            {_word_term(word), _word_term(word[:PREFIX_LENGTH])}
            if word == self.typed_words[-1]
            else {_word_term(word)}
        )
        if word not in common:
            near |= {
                _word_deletion_term(part)
                for part in _deletion_neighbourhood(word)
                if len(part) >= MIN_NEAR_LENGTH - 1
            }
            near |= {_word_suffix_term(suffix) for suffix in _possible_suffixes(word)}
        return frozenset(near)


class Tier(IntEnum):
    """How a title matches, best first; last, a person (see `people`)."""

    EXACT = 0
    PREFIX = 1
    WORDS = 2
    NEAR_TITLE = 3
    NEAR_WORDS = 4
    PERSON = 5


EXACT, PREFIX, WORDS, NEAR_TITLE, NEAR_WORDS, PERSON = Tier
"""Constants, which are read in a tenth of the time of an enum's members."""

INFINITY = float("inf")


class Candidate(NamedTuple):
    """A movie that a store found: its titles, their keys in the same order, and its popularity.

    The first is the title in the language of the catalogue; the original title and the titles in other
    languages follow. Those that equal an earlier one may be left out.
    `people` are the keys of the names of its directors and cast, which only a search for people needs.
    """

    id: MovieId
    titles: tuple[str, ...]
    keys: tuple[str, ...]
    popularity: float | None
    people: tuple[str, ...] = ()


class Match(NamedTuple):
    """A candidate that matches. Matches sort best first.

    `distance` is the edit distance in the near tiers; in the exact tier it tells how much folding was needed,
    in that of people how much of a name was typed.
    `popularity_rank` is the negative popularity, or infinity if that is unknown.
    """

    tier: Tier
    distance: int
    popularity_rank: float
    id: MovieId


def titled(titles: Iterable[str]) -> TermQuery:
    """The term query for movies with any of these titles, folded."""
    return (frozenset(_title_term(compact(key(title))) for title in titles),)


def numbered(ids: Iterable[TmdbNumber | ImdbId]) -> TermQuery:
    """The term query for movies with any of these ids."""
    return (frozenset(map(_id_term, ids)),)


FindCandidates = Callable[[TermQuery, int], Sequence[Candidate]]
"""Runs a term query: returns the most popular movies found, at most as many as the second argument says."""

CountMovies = Callable[[str, int], int]
"""Counts the movies of the whole catalogue that have a term, up to as many as the second argument says."""

MAX_CANDIDATES = 500
"""Movies that each term query returns at most."""

ENOUGH_MATCHES = 20
"""With at least this many matches, typing errors are not considered."""

COMMON_WORD_COUNT = 100
"""A word that at least this many movies have is assumed to be typed correctly."""


def search(query: Query, find: FindCandidates, count_movies: CountMovies | None = None) -> list[Match]:
    """All matches, best first: by tier (`Tier`), then by distance, then by popularity.

    `find` may search a part of the catalogue only; `count_movies` tells which words are common in all of it.
    Without it the movies that `find` finds are counted.

    An id or an address finds its film and nothing else. The last word is read as a year if it can be one, no
    title matches the whole text, and films of that year match the other words. Where titles have all words of
    the text, but none begins with it, films of that year whose title is the rest come before them.
    """
    if query.empty:
        return []
    count_movies = count_movies or (lambda term, limit: len(find((frozenset({term}),), limit)))
    if query.address:
        found = find((frozenset({_id_term(query.address)}),), MAX_CANDIDATES)
        return sorted(to_match(EXACT, 0, candidate) for candidate in found)
    ranked = _ranked(query, query.strict_term_queries(), find)
    if query.with_year and not any(ranked.values()):
        undated, year = query.with_year
        clause = frozenset({year_term(year)})

        def released(term_query: TermQuery, limit: int) -> Sequence[Candidate]:
            return find((*term_query, clause), limit)

        strict = _ranked(undated, undated.strict_term_queries(), released)
        that_year = _with_near_matches(undated, strict, released, count_movies)
        if that_year:
            return that_year
    elif query.with_year and all(match is None or match.tier is WORDS for match in ranked.values()):
        undated, year = query.with_year
        exact = (*undated.strict_term_queries()[0], frozenset({year_term(year)}))
        dated = _ranked(undated, [exact], find)
        ranked |= {identifier: match for identifier, match in dated.items() if match}
    return _with_near_matches(query, ranked, find, count_movies)


def _with_near_matches(
    query: Query, strict: Mapping[MovieId, Match | None], find: FindCandidates, count_movies: CountMovies
) -> list[Match]:
    """The strict matches and, if they are few, those with typing errors, best first."""
    matches = [match for match in strict.values() if match]
    if len(matches) >= ENOUGH_MATCHES:
        return sorted(matches)
    typed = {word for word in (*query.typed_words, *query.normalized) if not is_number(word)}
    common = {
        word for word in typed if count_movies(_word_term(word), COMMON_WORD_COUNT) >= COMMON_WORD_COUNT
    }
    near = _ranked(query, query.lenient_term_queries(common), find, ranked=strict)
    return sorted(matches + [match for match in near.values() if match])


def rank(query: Query, candidate: Candidate) -> Match | None:
    """How a movie matches, by the best of its titles; None if it does not."""
    _, titles, keys, _, _ = candidate
    best, place = _match_strictly(query, titles[0], keys[0]), 0
    for other in range(1, len(titles)):
        if titles[other] == titles[0]:
            continue  # most movies have their original title
        found = _match_strictly(query, titles[other], keys[other])
        if found and (best is None or found < best):
            best, place = found, other
    if best is None:  # only then are typing errors considered, which takes much longer
        near = (_match_nearly(query, title_key) for title_key in dict.fromkeys(keys))
        best = min(filter(None, near), default=None)
    if best is None:
        return None
    tier, distance = best
    return to_match(tier, 2 * distance + bool(place) if tier is EXACT else distance, candidate)


def to_match(tier: Tier, distance: int, candidate: Candidate) -> Match:
    """A match of a candidate."""
    identifier, _, _, popularity, _ = candidate
    return Match(tier, distance, INFINITY if popularity is None else -popularity, identifier)


def allowed_distance(length: int) -> int:
    """The largest edit distance at which texts match: 0 up to 2 letters, 1 up to 11 letters, else 2."""
    return 0 if length < 3 else 1 if length < 12 else 2


def edit_distance(typed: str, meant: str, limit: int) -> int | None:
    """How many letters were deleted, inserted, substituted or transposed; None if more than `limit`, which is
    2 at most.

    This is the unrestricted Damerau-Levenshtein distance: transposed letters may be edited again, so the
    distance of `tmrix` and `matrix` is 2.
    """
    one, other = _differing_parts(typed, meant)
    if one == other:
        return 0
    if limit and _within_one_edit(one, other):
        return 1
    return 2 if limit > 1 and _within_two_edits(one, other) else None


def _within_one_edit(one: str, other: str) -> bool:
    """Whether the distance is at most 1, for texts from `_differing_parts`."""
    return (len(one) <= 1 and len(other) <= 1) or (len(one) == 2 and one == other[::-1])


def _within_two_edits(one: str, other: str) -> bool:
    """Whether the distance is at most 2, for texts from `_differing_parts`."""
    if one[:1] == other[-1:] and one[-1:] == other[:1] and {len(one), len(other)} == {2, 3}:
        return True  # transposed, with one letter inserted or deleted between
    edited = [(one[1:], other), (one, other[1:]), (one[1:], other[1:])]
    if one[:2] == other[1::-1]:
        edited.append((one[2:], other[2:]))
    return any(_within_one_edit(*_differing_parts(*remainders)) for remainders in edited)


def _differing_parts(one: str, other: str) -> tuple[str, str]:
    """Both texts without their common prefix and suffix, which do not change the edit distance."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


def _ranked(
    query: Query,
    term_queries: Iterable[TermQuery],
    find: FindCandidates,
    ranked: Collection[MovieId] = frozenset(),
) -> dict[MovieId, Match | None]:
    """How the movies match that term queries find, without those that were ranked before."""
    matches: dict[MovieId, Match | None] = {}
    for term_query in term_queries:
        for candidate in find(term_query, MAX_CANDIDATES):
            identifier = candidate.id
            if identifier not in matches and identifier not in ranked:
                matches[identifier] = rank(query, candidate)
    return matches


def _match_strictly(query: Query, title: str, title_key: str) -> tuple[Tier, int] | None:
    """The tier and distance of a title without typing errors; None if it does not match."""
    typed = query.compact
    whole = compact(title_key) if title_key[:1] == typed[:1] else ""  # which most titles do not begin with
    if whole == typed:
        return EXACT, _folding(query, title, title_key)
    normalized = normalize_numbers(title_key) if query.normalized else ()
    if normalized and _joined(normalized) == query.normalized_compact:
        return EXACT, NUMBERS_DIFFER
    if whole.startswith(typed) or (normalized and _joined(normalized).startswith(query.normalized_compact)):
        return PREFIX, 0
    return (WORDS, 0) if has_words(query, title_key, normalized) else None


def has_words(query: Query, title_key: str, normalized: Sequence[str]) -> bool:
    """Whether a title has all words of a query."""
    if not normalized and len(title_key) <= MAX_WORDS and _has_spaced_words(title_key):
        # All words are indexed, so they need not be listed: a short way to the same result.
        spaced = f" {title_key} "
        if "-" in title_key:
            spaced += f"{title_key.replace('-', ' ')} {title_key.replace('-', '')} "
        for word in query.spaced_words:  # noqa: SIM110  `all` takes twice as long
            if word not in spaced:
                return False
        return True
    title_words = words(title_key)
    if _holds_all(query.words, title_words):
        return True
    return bool(normalized) and _holds_all(query.normalized_words, (*title_words, *normalized))


def _match_nearly(query: Query, title_key: str) -> tuple[Tier, int] | None:
    """The tier and distance of a title with typing errors; None if there are too many."""
    distance = _allowed_edit_distance(query.compact, compact(title_key))
    if distance is not None:
        return NEAR_TITLE, distance
    title_words = words(title_key)
    total = words_distance(query.typed_words, title_words, query.distances)
    normalized = normalize_numbers(title_key) if query.normalized else ()
    if normalized:
        in_numbers = words_distance(query.normalized, (*title_words, *normalized), query.distances)
        total = in_numbers if total is None or (in_numbers is not None and in_numbers < total) else total
    return None if total is None else (NEAR_WORDS, total)


NUMBERS_DIFFER = 3
"""The distance of an exact match in which a number is written in another way."""


def _folding(query: Query, title: str, title_key: str) -> int:
    if literal(title) == literal(query.text):
        return 0
    return 1 if title_key == query.key else 2


def _holds_all(wanted: Sequence[str], title_words: Sequence[str]) -> bool:
    """Whether a title has all of these words. The last may be incomplete unless it is a number."""
    last = len(wanted) - 1
    for place, word in enumerate(wanted):
        if word not in title_words and (place < last or not _begins_a_word(word, title_words)):
            return False
    return True


def _begins_a_word(start: str, title_words: Iterable[str]) -> bool:
    if is_number(start):
        return False
    for word in title_words:  # noqa: SIM110  `any` takes twice as long
        if word.startswith(start):
            return True
    return False


def words_distance(
    wanted: Sequence[str], title_words: Sequence[str], known: dict[tuple[str, str], int | None]
) -> int | None:
    """The sum of the distances from each wanted word to the nearest word of a title; None if there is no near
    word for one of them. `known` are distances that were computed before.
    """
    total, last = 0, len(wanted) - 1
    for place, word in enumerate(wanted):
        if word in title_words or (place == last and _begins_a_word(word, title_words)):
            continue
        if is_number(word):
            return None
        nearest = None
        for other in title_words:
            if abs(len(word) - len(other)) > MAX_EDITS:
                continue
            if (word, other) not in known:
                known[word, other] = _near_word_distance(word, other)
            distance = known[word, other]
            if distance is not None and (nearest is None or distance < nearest):
                nearest = distance
        if nearest is None:
            return None
        total += nearest
    return total


def _near_word_distance(typed: str, meant: str) -> int | None:
    """The edit distance of two words; None if it is larger than allowed, or a typing error in such a word is
    not forgiven.
    """
    if max(len(typed), len(meant)) < MIN_NEAR_LENGTH or is_number(meant):
        return None
    return _allowed_edit_distance(typed, meant)


def _allowed_edit_distance(typed: str, meant: str) -> int | None:
    """The edit distance of two words or titles; None if it is larger than allowed for their length."""
    difference = abs(len(typed) - len(meant))
    if difference > MAX_EDITS:  # as it is with most titles
        return None
    allowed = allowed_distance(max(len(typed), len(meant)))
    return edit_distance(typed, meant, allowed) if difference <= allowed else None


def _plain(text: str) -> str:
    """Fold case, accents and width, and spell out letters that Unicode does not decompose."""
    if text.isascii():  # as most titles are: only case and signs are left to fold
        return text.lower().replace("&", _UNDECOMPOSED[ord("&")])
    parted = "".join(f" {char}" if unicodedata.category(char) == "No" else char for char in text)
    apart = unicodedata.normalize("NFKD", parted.casefold()).casefold()
    bare = "".join(char for char in apart if not _is_accent(char))
    return unicodedata.normalize("NFC", bare).translate(_UNDECOMPOSED)


def _is_accent(char: str) -> bool:
    """Whether a character is a diacritic that is folded: a mark above, below or through a letter, or a point
    of Hebrew or Arabic. Vowel signs and voicing marks of other scripts make another letter, so they are kept.
    """
    marked = unicodedata.combining(char)
    return marked == 1 or 10 <= marked <= 36 or marked >= 202 or unicodedata.category(char) == "Cf"


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def _pairs(run: str) -> tuple[str, ...]:
    """The pairs of adjacent letters of a run in an unspaced script; the run itself if it is in another
    script, or has at most two letters.
    """
    if len(run) < 3 or not _UNSPACED_LETTER.match(run):
        return (run,)
    return tuple(run[place : place + 2] for place in range(len(run) - 1))


def _has_spaced_words(title_key: str) -> bool:
    """Whether a key has no letters of unspaced scripts."""
    return title_key.isascii() or not _UNSPACED_LETTER.search(title_key)


def _single_letters(run: str) -> Iterator[str]:
    """The letters of a run in an unspaced script."""
    if _UNSPACED_LETTER.match(run):
        yield from (char for char in run if not _is_mark(char))


def _in_pairs(parts: Iterable[str]) -> tuple[str, ...]:
    """Words, with runs in unspaced scripts as pairs of letters."""
    return tuple(word for part in parts for run in _SCRIPT_RUNS.findall(part) for word in _pairs(run))


def _joined(normalized: Iterable[str]) -> str:
    """Normalized words without spaces. The end of a number is marked, so that `1` is no prefix of `12`."""
    return "".join(f"{part}#" if is_number(part) else part for part in normalized)


def _deletion_neighbourhood(word: str) -> set[str]:
    """The prefix of a word, and the prefix with any one letter deleted, as in W. Garbe's SymSpell. Two words
    share one of these if the distance of their prefixes is at most 1.
    """
    start = word[:DELETION_PREFIX_LENGTH]
    return {start} | {start[:place] + start[place + 1 :] for place in range(len(start))} - {""}


def _deletions_of_word(word: str) -> Collection[str]:
    """The indexed deletions of a word. A word that is one letter too short may be typed with one more."""
    if len(word) >= MIN_NEAR_LENGTH:
        return _deletion_neighbourhood(word)
    return {word} if len(word) == MIN_NEAR_LENGTH - 1 else ()


def _suffix_of(word: str) -> tuple[str, ...]:
    """The indexed suffix of a word or title, which finds it if two edits are in its prefix. Empty if the text
    is too short for two edits to be allowed.
    """
    return (word[SUFFIX_START : SUFFIX_START + SUFFIX_LENGTH],) if allowed_distance(len(word) + 2) > 1 else ()


def _possible_suffixes(typed: str) -> set[str]:
    """The indexed suffixes of all texts from which this may differ by two edits in the prefix."""
    lengths = range(len(typed) - 2, len(typed) + 3)
    starts = (
        SUFFIX_START + len(typed) - meant for meant in lengths if allowed_distance(max(meant, len(typed))) > 1
    )
    return {typed[start : start + SUFFIX_LENGTH] for start in starts}


def _all_words(wanted: Sequence[str]) -> TermQuery:
    """The term query for titles with all these words. The last may be incomplete unless it is a number."""
    *complete, last = wanted
    cut_short = frozenset({last} if is_number(last) else {_word_term(last[:PREFIX_LENGTH]), _word_term(last)})
    return _rarest_first([*(frozenset({_word_term(word)}) for word in complete), cut_short])


def _rarest_first(clauses: Sequence[frozenset[str]]) -> TermQuery:
    """Sort clauses by the length of their longest term, because long terms are usually more selective."""
    return tuple(sorted(dict.fromkeys(clauses), key=lambda clause: -max(map(len, clause))))


def _title_term(whole: str) -> str:
    return f"={whole}"


def _prefix_term(whole: str) -> str:
    return f"<{whole}"


def _title_deletion_term(deletion: str) -> str:
    return f"^{deletion}"


def _title_suffix_term(suffix: str) -> str:
    return f"${suffix}"


def _word_term(word: str) -> str:
    return word


def _word_deletion_term(deletion: str) -> str:
    return f"~{deletion}"


def _word_suffix_term(suffix: str) -> str:
    return f"%{suffix}"


def year_term(year: int) -> str:
    """The term of the movies that were released in a year."""
    return f"@{year}"


def _id_term(number: TmdbNumber | ImdbId) -> str:
    return f"!{number.value}"
