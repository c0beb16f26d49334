"""Search by title: folding, the terms that an index keeps, and the ranking, the same over every store.

A title is folded to a *key*: lower case, no accents, no width, words parted by spaces, and by hyphens where
the title joined them (`WALL·E` is `wall-e`). From the key come the *terms* under which a store files the
movie. A query is folded alike and becomes *probes*: lists of clauses, each a set of terms of which a movie
must carry at least one. A store answers probes from one index; which of the found movies match, and in which
order, is decided here.

Numbers are read in whatever way they are written (`numerals`), a last word may be the year, and an id or an
address of a film stands for that film.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from domain.ids import ImdbId, MovieId, TmdbNumber, movie_address
from domain.numerals import is_number, read_numbers

HEAD = 5
"""Beginnings of words are terms up to this many letters."""

DELETED_FROM = 7
"""Deletions are taken from this many letters at the start of a word or title: they find it with one slip
there.
"""

REST_FROM = 8
"""Two slips that leave no common deletion are both before this place: the rest is right, and finds it."""

REST = 16
"""Letters of the rest that the index holds; ranking compares all."""

SPELLABLE = 4
"""A word this long may hold a slip, or be meant by one that does; shorter ones are near to too many."""

WORDS_OF_A_TITLE = 500
"""Only so many words of a title count, so that no title can flood the index."""

FIRST_YEAR, LAST_YEAR = 1870, 2100
"""What may be the year of a film."""

Probe = tuple[frozenset[str], ...]
"""Clauses, the rarest first if one can tell: a movie must carry a term of each."""

_UNDECOMPOSED = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h",
        "ŧ": "t", "ŋ": "n", "ə": "e", "&": " and ", "⁄": " ",
    }
)  # fmt: skip
"""Letters that Unicode does not take apart, and signs that stand for a word."""

_UNSPACED = (
    r"\u0e00-\u0eff"  # Thai, Lao
    r"\u1000-\u109f"  # Myanmar
    r"\u1780-\u17ff"  # Khmer
    r"\u3040-\u30ff"  # Hiragana, Katakana
    r"\u3400-\u9fff"  # Han
    r"\U00020000-\U0003ffff"  # Han, rare
)
"""Scripts that do not part words by spaces, as ranges of code points in a pattern."""

_SCRIPT_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")

_KANA = {katakana: katakana - 0x60 for katakana in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}
"""Katakana to Hiragana."""

_DATED = re.compile(r"(.*\w)\W+(\d{4})\W*", re.DOTALL)
"""A text that ends in four digits, bare or in brackets."""


def literal(text: str) -> str:
    """A title as it would be typed with care: only case and spacing folded."""
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())


def sortable(title: str) -> str:
    """A title's place in the alphabet: case, accents and width folded, punctuation kept."""
    return " ".join(_plain(title).split()) or literal(title)


def key(title: str) -> str:
    """Fold a title for searching; never empty for a title that shows anything.

    Letters and digits remain; what stood between them becomes a space, or a hyphen if no space was there.
    """
    folded = "".join(
        char if char.isalnum() or _is_mark(char) else " " if char.isspace() else "-"
        for char in _plain(title).translate(_KANA)
    )
    words = ("-".join(filter(None, part.split("-"))) for part in folded.split())
    return " ".join(filter(None, words)) or "".join(title.split())


def compact(title_key: str) -> str:
    """A key without its gaps: what spacing and punctuation cannot change."""
    return title_key.replace(" ", "").replace("-", "")


def words(title_key: str) -> tuple[str, ...]:
    """The words by which a key can be found: its parts, joined parts, and single letters and pairs of letters
    of unspaced scripts.
    """
    if title_key.isascii() and "-" not in title_key:
        return tuple(dict.fromkeys(title_key.split()))[:WORDS_OF_A_TITLE]
    found: dict[str, None] = {}
    for chunk in title_key.split():
        parts = chunk.split("-")
        for part in (*parts, "".join(parts)):
            found[part] = None
            if _UNSPACED_LETTER.search(part):
                for run in _SCRIPT_RUNS.findall(part):
                    found.update(dict.fromkeys((*_pairs(run), *_single_letters(run))))
    return tuple(found)[:WORDS_OF_A_TITLE]


def terms(
    titles: Iterable[str],
    *,
    year: int | None = None,
    tmdb_id: int | None = None,
    imdb_id: str | None = None,
) -> frozenset[str]:
    """All terms under which a movie is filed: by its titles, its year of release and its ids."""
    found = {term for title_key in {key(title) for title in titles} for term in _terms(title_key)}
    if year is not None:
        found.add(_year(year))
    if tmdb_id is not None:
        found.add(_identified(TmdbNumber(tmdb_id)))
    if imdb_id is not None:
        found.add(_identified(ImdbId(imdb_id)))
    return frozenset(found)


def _terms(title_key: str) -> Iterator[str]:
    whole, held = compact(title_key), words(title_key)
    if not whole:
        return
    yield _exactly(whole)
    # What is no longer than the first word is found as the beginning of that word.
    yield from (_beginning(whole[:length]) for length in range(len(held[0]) + 1, HEAD + 1))
    yield from (_near_title(deletion) for deletion in _deletions(whole))
    yield from (_rest_of_title(rest) for rest in _rest(whole))
    for word in held:
        yield _word(word)
        yield from (_word(word[:length]) for length in range(1, min(HEAD, len(word)) + 1))
        # A word that is one letter too short can have been typed with one letter too many.
        near = _deletions(word) if len(word) >= SPELLABLE else {word} if len(word) == SPELLABLE - 1 else ()
        yield from (_near_word(deletion) for deletion in near)
        yield from (_rest_of_word(rest) for rest in _rest(word))
    reading = read_numbers(title_key)
    if reading:
        yield _exactly(_joined(reading))
        yield from reading


@dataclass(frozen=True)
class Query:
    """What someone typed, folded. The last word may be the beginning of one."""

    text: str

    @cached_property
    def key(self) -> str:
        return key(self.text)

    @cached_property
    def compact(self) -> str:
        return compact(self.key)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words that a matching title holds, in order; pairs of letters for unspaced scripts."""
        return _in_pairs(self.runs)

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """The words as typed, for comparing with slips."""
        return tuple(part for chunk in self.key.split() for part in chunk.split("-"))

    @cached_property
    def reading(self) -> tuple[str, ...]:
        """The words with numbers read as numbers; empty if there is no number."""
        return read_numbers(self.key)

    @cached_property
    def reading_compact(self) -> str:
        """The reading without gaps."""
        return _joined(self.reading)

    @cached_property
    def reading_words(self) -> tuple[str, ...]:
        """The words that a title with the same reading holds, in order; pairs of letters as in `words`."""
        return _in_pairs(self.reading)

    @cached_property
    def address(self) -> TmdbNumber | ImdbId | None:
        """The film that the query names by an id or by its address at IMDb or TMDB."""
        return movie_address(self.text)

    @cached_property
    def dated(self) -> "tuple[Query, int] | None":
        """The query without its last word, and the year that this word may be."""
        match = _DATED.fullmatch(self.text)
        if match is None or not FIRST_YEAR <= int(match[2]) <= LAST_YEAR:
            return None
        return Query(match[1]), int(match[2])

    @property
    def empty(self) -> bool:
        """Whether nothing was typed that could be found."""
        return not self.compact

    def strict_probes(self) -> tuple[Probe, ...]:
        """What may match without a slip: the exact title, and titles that hold all words."""
        exact = {_exactly(self.compact)}
        if not self.reading:
            return (frozenset(exact),), _all_of(self.words)
        exact.add(_exactly(self.reading_compact))
        return (frozenset(exact),), _all_of(self.words), _all_of(self.reading_words)

    def lenient_probes(self, common: Collection[str]) -> tuple[Probe, ...]:
        """What may match with slips: titles near the whole query, and titles with a word near each of its
        words. Those that are common in titles are taken as meant; if all are, the strict probes have asked.
        """
        whole = self.compact
        near_title = {_near_title(deletion) for deletion in _deletions(whole)}
        if len(whole) <= HEAD:  # the beginning of a title, parted in another way
            near_title |= {_beginning(whole), _word(whole)}
        probes: list[Probe] = [(frozenset(near_title),)]
        rests = frozenset(_rest_of_title(rest) for rest in _rests(whole))
        if rests:
            probes.append((rests,))
        probes += [
            _rarest_first([self._near(word, common) for word in runs])
            for runs in (self.runs, self.reading)
            if not {run for run in runs if not is_number(run)} <= set(common)
        ]
        return tuple(probes)

    def _near(self, word: str, common: Collection[str]) -> frozenset[str]:
        if is_number(word):
            return frozenset({word})
        near = {_word(word), _word(word[:HEAD])} if word == self.runs[-1] else {_word(word)}
        if word not in common:
            near |= {_near_word(part) for part in _deletions(word) if len(part) >= SPELLABLE - 1}
            near |= {_rest_of_word(rest) for rest in _rests(word)}
        return frozenset(near)


class Tier(IntEnum):
    """How a title matches, best first."""

    EXACT = 0
    PREFIX = 1
    WORDS = 2
    NEAR_TITLE = 3
    NEAR_WORDS = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """A movie that a probe found: its titles as shown, their keys in the same order, and its popularity."""

    id: MovieId
    titles: tuple[str, ...]
    keys: tuple[str, ...]
    popularity: float | None


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A candidate that matches; matches sort best first.

    `slips` counts typing errors in the near tiers, and in the exact tier how much folding it took.
    """

    tier: Tier
    slips: int
    unpopularity: float
    id: MovieId


Find = Callable[[Probe, int], Sequence[Candidate]]
"""Answers a probe: the most popular movies that carry a term of each clause, at most so many."""

DEPTH = 500
"""So many movies each probe may bring in."""

ENOUGH = 20
"""With so many matches without a slip, none with slips are looked for."""

COMMON = 100
"""A word that so many movies carry is no slip of another."""


def search(query: Query, find: Find) -> list[Match]:
    """All matches that the probes find, best first: exact, prefix, all words, near; then by popularity.

    An id or an address finds its film and nothing else. A last word that may be a year is one if no title
    holds what was typed, and films of that year match the rest.
    """
    if query.empty:
        return []
    if query.address:
        found = find((frozenset({_identified(query.address)}),), DEPTH)
        return sorted(_match(Tier.EXACT, 0, candidate) for candidate in found)
    matches = _ranked(query, query.strict_probes(), find)
    if query.dated and not matches:
        undated, year = query.dated
        clause = frozenset({_year(year)})

        def released(probe: Probe, limit: int) -> Sequence[Candidate]:
            return find((*probe, clause), limit)

        strict = _ranked(undated, undated.strict_probes(), released)
        that_year = _with_slips(undated, strict, released, everywhere=find)
        if that_year:
            return sorted(that_year.values())
    return sorted(_with_slips(query, matches, find, everywhere=find).values())


def _with_slips(
    query: Query, strict: dict[MovieId, Match], find: Find, *, everywhere: Find
) -> dict[MovieId, Match]:
    """The strict matches and, if they are few, those with slips. Which words are common is asked of the whole
    catalogue.
    """
    if len(strict) >= ENOUGH:
        return strict
    typed = {word for word in (*query.runs, *query.reading) if not is_number(word)}
    common = {word for word in typed if len(everywhere((frozenset({_word(word)}),), COMMON)) == COMMON}
    return {**_ranked(query, query.lenient_probes(common), find), **strict}


def rank(query: Query, candidate: Candidate) -> Match | None:
    """How a movie matches, by the better of its titles; None if it does not."""
    ranked = [
        (*found, place)
        for place, (title, title_key) in enumerate(zip(candidate.titles, candidate.keys, strict=True))
        if (found := _title_match(query, title, title_key))
    ]
    if not ranked:
        return None
    tier, slips, place = min(ranked)
    return _match(tier, 2 * slips + place if tier is Tier.EXACT else slips, candidate)


def _match(tier: Tier, slips: int, candidate: Candidate) -> Match:
    unpopularity = -candidate.popularity if candidate.popularity is not None else float("inf")
    return Match(tier, slips, unpopularity, candidate.id)


def forgiven(length: int) -> int:
    """How many slips are forgiven in so many letters: none in 1 or 2, one in up to 11, two in more."""
    return 0 if length < 3 else 1 if length < 12 else 2


def slips(typed: str, meant: str, forgiving: int) -> int | None:
    """How many letters were dropped, added, exchanged or swapped with their neighbour; None if more than
    `forgiving`, which is 2 at most.

    This is the unrestricted Damerau-Levenshtein distance: swapped letters may have been edited again, so
    `tmrix` is two slips from `matrix`.
    """
    one, other = _differing(typed, meant)
    if one == other:
        return 0
    if forgiving and _one_slip(one, other):
        return 1
    return 2 if forgiving > 1 and _two_slips(one, other) else None


def _one_slip(one: str, other: str) -> bool:
    """Whether two texts are at most one slip apart; neither their first nor their last letters are equal."""
    return (len(one) <= 1 and len(other) <= 1) or (len(one) == 2 and one == other[::-1])


def _two_slips(one: str, other: str) -> bool:
    """Whether two texts are at most two slips apart; neither their first nor their last letters are equal."""
    if one[:1] == other[-1:] and one[-1:] == other[:1] and {len(one), len(other)} == {2, 3}:
        return True  # swapped, with one letter put between or taken away
    slipped = [(one[1:], other), (one, other[1:]), (one[1:], other[1:])]
    if one[:2] == other[1::-1]:
        slipped.append((one[2:], other[2:]))
    return any(_one_slip(*_differing(*rests)) for rests in slipped)


def _differing(one: str, other: str) -> tuple[str, str]:
    """Both without the letters that they share at the beginning and at the end, which edits never need."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


def _ranked(query: Query, probes: Iterable[Probe], find: Find) -> dict[MovieId, Match]:
    found = {candidate.id: candidate for probe in probes for candidate in find(probe, DEPTH)}
    matches = (rank(query, candidate) for candidate in found.values())
    return {match.id: match for match in matches if match}


def _title_match(query: Query, title: str, title_key: str) -> tuple[Tier, int] | None:
    whole = compact(title_key)
    if whole == query.compact:
        return Tier.EXACT, _folding(query, title, title_key)
    reading = read_numbers(title_key) if query.reading else ()
    joined = _joined(reading)
    if reading and joined == query.reading_compact:
        return Tier.EXACT, READ_ALIKE
    if whole.startswith(query.compact) or (reading and joined.startswith(query.reading_compact)):
        return Tier.PREFIX, 0
    held = words(title_key)
    read = (*held, *reading)
    if (all(word in whole for word in query.words) and _holds_all(query.words, held)) or (
        reading and _holds_all(query.reading_words, read)
    ):
        return Tier.WORDS, 0
    distance = _few_slips(query.compact, whole)
    if distance is not None:
        return Tier.NEAR_TITLE, distance
    totals = [_slips_of_words(query.runs, held), _slips_of_words(query.reading, read) if reading else None]
    return min(((Tier.NEAR_WORDS, total) for total in totals if total is not None), default=None)


READ_ALIKE = 3
"""How much folding an exact title took of which a number is written in another way."""


def _folding(query: Query, title: str, title_key: str) -> int:
    if literal(title) == literal(query.text):
        return 0
    return 1 if title_key == query.key else 2


def _holds_all(wanted: Sequence[str], held: Sequence[str]) -> bool:
    *complete, last = wanted
    if not all(word in held for word in complete):
        return False
    return last in held if is_number(last) else any(word.startswith(last) for word in held)


def _slips_of_words(wanted: Sequence[str], held: Sequence[str]) -> int | None:
    """The slips in all wanted words together, each taken for the nearest held one; None if one is near to
    none.
    """
    total = 0
    for place, word in enumerate(wanted):
        if word in held or (place == len(wanted) - 1 and _holds_all([word], held)):
            continue
        if is_number(word):
            return None
        spelt = (
            _few_slips(word, other)
            for other in held
            if max(len(word), len(other)) >= SPELLABLE and not is_number(other)
        )
        distances = [distance for distance in spelt if distance is not None]
        if not distances:
            return None
        total += min(distances)
    return total


def _few_slips(typed: str, meant: str) -> int | None:
    """The slips between two words or titles; None if they are more than is forgiven."""
    allowed = forgiven(max(len(typed), len(meant)))
    return slips(typed, meant, allowed) if abs(len(typed) - len(meant)) <= allowed else None


def _plain(text: str) -> str:
    """Case, accents and width folded; letters that Unicode does not take apart are spelt out."""
    parted = "".join(f" {char}" if unicodedata.category(char) == "No" else char for char in text)
    apart = unicodedata.normalize("NFKD", parted.casefold()).casefold()
    bare = "".join(char for char in apart if not _is_accent(char))
    return unicodedata.normalize("NFC", bare).translate(_UNDECOMPOSED)


def _is_accent(char: str) -> bool:
    """Marks that change a letter's look, not the letter: those above, below and through it, and the points of
    Hebrew and Arabic. Vowel signs and voicing marks, which other scripts write as marks, make another letter
    and stay.
    """
    marked = unicodedata.combining(char)
    return marked == 1 or 10 <= marked <= 36 or marked >= 202 or unicodedata.category(char) == "Cf"


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def _pairs(run: str) -> tuple[str, ...]:
    """The neighbouring letters of a run in an unspaced script, two by two; the run itself if it is in another
    script, or has no more than two.
    """
    if len(run) < 3 or not _UNSPACED_LETTER.match(run):
        return (run,)
    return tuple(run[place : place + 2] for place in range(len(run) - 1))


def _single_letters(run: str) -> Iterator[str]:
    """The letters of a run in an unspaced script."""
    if _UNSPACED_LETTER.match(run):
        yield from (char for char in run if not _is_mark(char))


def _in_pairs(parts: Iterable[str]) -> tuple[str, ...]:
    """Words, with what is in unspaced scripts as pairs of letters."""
    return tuple(word for part in parts for run in _SCRIPT_RUNS.findall(part) for word in _pairs(run))


def _joined(reading: Iterable[str]) -> str:
    """A reading without gaps; where a number ends is marked, so that 1 does not begin 12."""
    return "".join(f"{part}#" if is_number(part) else part for part in reading)


def _deletions(word: str) -> set[str]:
    """The beginning of a word, as it is and with each one letter left out: two words share one of these if
    no more than one slip is in their beginnings.
    """
    start = word[:DELETED_FROM]
    return {start} | {start[:place] + start[place + 1 :] for place in range(len(start))} - {""}


def _rest(word: str) -> tuple[str, ...]:
    """What finds a word or title that was typed with two slips in its beginning; nothing if it is too short
    for two slips to be forgiven, however it was typed.
    """
    return (word[REST_FROM : REST_FROM + REST],) if forgiven(len(word) + 2) > 1 else ()


def _rests(typed: str) -> set[str]:
    """The rest that each text has for which this may have been typed with two slips in its beginning."""
    lengths = range(len(typed) - 2, len(typed) + 3)
    starts = (REST_FROM + len(typed) - meant for meant in lengths if forgiven(max(meant, len(typed))) > 1)
    return {typed[start : start + REST] for start in starts}


def _all_of(wanted: Sequence[str]) -> Probe:
    """Titles that hold all of these words, of which the last may be cut short unless it is a number."""
    *complete, last = wanted
    cut_short = frozenset({last} if is_number(last) else {_word(last[:HEAD]), _word(last)})
    return _rarest_first([*(frozenset({_word(word)}) for word in complete), cut_short])


def _rarest_first(clauses: Sequence[frozenset[str]]) -> Probe:
    """Long terms are rarer than short ones, as a rule."""
    return tuple(sorted(dict.fromkeys(clauses), key=lambda clause: -max(map(len, clause))))


def _exactly(whole: str) -> str:
    return f"={whole}"


def _beginning(whole: str) -> str:
    return f"<{whole}"


def _near_title(deletion: str) -> str:
    return f"^{deletion}"


def _rest_of_title(rest: str) -> str:
    return f"${rest}"


def _word(word: str) -> str:
    return word


def _near_word(deletion: str) -> str:
    return f"~{deletion}"


def _rest_of_word(rest: str) -> str:
    return f"%{rest}"


def _year(year: int) -> str:
    return f"@{year}"


def _identified(number: TmdbNumber | ImdbId) -> str:
    return f"!{number.value}"
