"""Whether a title matches a query, and how well."""

import pytest

from domain.ids import movie_id
from domain.search import MAX_WORDS, Candidate, Query, Tier, key, rank, words
from tests.unit.searching import CANDIDATES, matched


@pytest.mark.parametrize(
    ("typed", "title", "tier", "count"),
    [
        ("Wall-E", "Wall-E", Tier.EXACT, 0),
        (" wall-e", "Wall-E", Tier.EXACT, 0),
        ("wall-e", "WALL·E", Tier.EXACT, 2),
        ("wall e", "WALL·E", Tier.EXACT, 4),
        ("spider man", "Spider Man", Tier.EXACT, 0),
        ("spider man", "Spiderman", Tier.EXACT, 4),
        ("rocky 2", "Rocky II", Tier.EXACT, 6),
        ("spiderman 2", "Spider-Man II", Tier.EXACT, 6),
        ("wall", "WALL·E", Tier.PREFIX, 0),
        ("rocky two", "Rocky II Returns", Tier.PREFIX, 0),
        ("reloaded matrix", "The Matrix Reloaded", Tier.WORDS, 0),
        ("reloaded mat", "The Matrix Reloaded", Tier.WORDS, 0),
        ("returns two", "Rocky II Returns", Tier.WORDS, 0),
        ("matrx reloaded", "Matrix Reloaded", Tier.NEAR_TITLE, 1),
        ("matrx reloadd", "Matrix Reloaded", Tier.NEAR_TITLE, 2),
        ("relaoded mat", "The Matrix Reloaded", Tier.NEAR_WORDS, 1),
        ("matirx reload", "The Matrix Reloaded", Tier.NEAR_WORDS, 1),
        ("godfahter 2", "The Godfather Part II", Tier.NEAR_WORDS, 1),
        ("man spi", "Spider-Man", Tier.WORDS, 0),
        ("five samurei", "Fire 5 Samurai", Tier.NEAR_WORDS, 1),
        ("five samurei", "Fire Samurai 2", Tier.NEAR_WORDS, 2),
        ("intrstelar visit", "A Visit of Interstellar Beings", Tier.NEAR_WORDS, 2),
        ("moom rises", "The Blue Moon Rises", Tier.NEAR_WORDS, 1),
        ("mon rises", "The Blue Moon Rises", Tier.NEAR_WORDS, 1),
        ("moons rises", "The Blue Moon Rises", Tier.NEAR_WORDS, 1),
    ],
)
def test_a_title_matches_in_a_tier_with_a_distance(typed: str, title: str, tier: Tier, count: int) -> None:
    match = matched(typed, title)
    assert match
    assert (match.tier, match.distance) == (tier, count)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("rix", "The Matrix"),  # words match from their beginning,
        ("rix reloaded", "The Matrix Reloaded"),
        ("mat reloaded", "The Matrix Reloaded"),  # and only the last may be incomplete,
        ("matr reloadde", "The Matrix Reloaded"),
        ("son rises", "The Red Sun Rises"),  # no errors between two words of three letters,
        ("rocky one", "Rocky 12"),  # and numbers are whole
        ("rocky one returns", "Rocky 12 Returns"),
        ("xylophone two", "Rocky II"),
    ],
)
def test_a_title_that_is_too_different_does_not_match(typed: str, title: str) -> None:
    assert matched(typed, title) is None


def test_an_exact_original_title_counts_as_half_a_folding() -> None:
    own, other = matched("Solaris", "Solaris", "Solyaris"), matched("Solaris", "Sun", "Solaris")
    assert own
    assert other
    assert (own.distance, other.distance) == (0, 1)
    both = matched("solaris", "Solaris", "SOLARIS")
    assert both
    assert both.distance == 0


def test_a_further_title_matches_although_the_original_one_is_the_first() -> None:
    match = matched("Solaris", "Sun", "Sun", "Solaris")
    assert match
    assert match.tier is Tier.EXACT


def test_tiers_have_the_numbers_that_cursors_contain() -> None:
    assert {tier.name: tier.value for tier in Tier} == {
        "EXACT": 0,
        "PREFIX": 1,
        "WORDS": 2,
        "NEAR_TITLE": 3,
        "NEAR_WORDS": 4,
        "PERSON": 5,
    }


def test_an_exact_number_comes_before_one_written_in_another_way() -> None:
    candidates = [
        Candidate(movie_id(n), (name,), (key(name),), float(n))
        for n, name in enumerate(("Rocky 2", "ROCKY 2!", "Rocky II", "Rocky 2 Returns", "Rocky 20"), 1)
    ]
    ranked = [rank(Query("Rocky 2"), candidate) for candidate in candidates]
    assert [match.tier for match in ranked if match] == [*[Tier.EXACT] * 3, *[Tier.PREFIX] * 2]
    assert ranked[:4] == sorted(match for match in ranked[:4] if match)


def test_a_number_does_not_match_another_number() -> None:
    film = Candidate(movie_id(1), ("The Godfather Part III",), ("the godfather part iii",), 1.0)
    assert rank(Query("godfather 2"), film) is None
    assert rank(Query("godfather two"), film) is None


def test_better_matches_come_first() -> None:
    names = ("alien", "alien nation", "the alien", "alein")
    candidates = [Candidate(movie_id(n), (name,), (key(name),), n) for n, name in enumerate(names, 1)]
    ranked = [rank(Query("alien"), candidate) for candidate in candidates]
    assert [match.tier for match in ranked if match] == [Tier.EXACT, Tier.PREFIX, Tier.WORDS, Tier.NEAR_TITLE]
    assert ranked == sorted(match for match in ranked if match)


def test_popularity_breaks_ties_and_unknown_popularity_loses_them() -> None:
    popular, less, unknown = (
        rank(Query("ran"), Candidate(movie_id(n), ("Ran",), ("ran",), popularity))
        for n, popularity in ((1, 9.0), (2, 1.0), (3, None))
    )
    assert popular
    assert less
    assert unknown
    assert popular < less < unknown


def test_a_title_goes_before_an_original_title() -> None:
    own = Candidate(movie_id(1), ("Solaris", "Solyaris"), ("solaris", "solyaris"), 1.0)
    other = Candidate(movie_id(2), ("Sun", "Solaris"), ("sun", "solaris"), 9.0)
    first, second = rank(Query("solaris"), own), rank(Query("solaris"), other)
    assert first
    assert second
    assert first < second


@pytest.mark.parametrize(
    "text", ["xylophone", "matrix xylophone", "xylophone matrix", "matirx xylophone", "the xylophone matrix"]
)
def test_a_query_without_a_word_in_common_does_not_match(text: str) -> None:
    assert rank(Query(text), CANDIDATES[0]) is None


def test_the_distances_of_all_words_add_up_among_near_words() -> None:
    ranked = [
        rank(
            Query(text),
            Candidate(movie_id(1), ("Alien Resurrection Story",), ("alien resurrection story",), 1),
        )
        for text in ("resurrection alien", "resurection alien", "resurection alein", "resurectoin alein")
    ]
    assert [(match.tier, match.distance) for match in ranked if match] == [
        (Tier.WORDS, 0),
        (Tier.NEAR_WORDS, 1),
        (Tier.NEAR_WORDS, 2),
        (Tier.NEAR_WORDS, 3),
    ]


@pytest.mark.parametrize(
    "text", ["far man", "far spider", "man far", "far spiderman", "far spiderm", "far fra"]
)
@pytest.mark.parametrize("end", ["", " Дом"])
def test_the_parts_of_a_word_with_a_hyphen_match_and_so_does_the_whole(text: str, end: str) -> None:
    match = matched(text, f"The Spider-Man: Far-Fragile{end}")
    assert match
    assert match.tier is Tier.WORDS


@pytest.mark.parametrize("text", ["rocky 2 balb", "rocky ii balb", "2 roc"])
def test_the_last_word_may_be_incomplete_beside_a_number_that_is_written_otherwise(text: str) -> None:
    match = matched(text, "The Rocky II Balboa")
    assert match
    assert match.tier is Tier.WORDS


@pytest.mark.parametrize("text", ["far manfar", "pider far", "far iderman", "far oм"])
def test_what_is_no_part_of_a_word_with_a_hyphen_does_not_match(text: str) -> None:
    match = matched(text, "The Spider-Man: Far-Fragile Дом")
    assert match is None or match.tier is not Tier.WORDS


@pytest.mark.parametrize("count", [60, MAX_WORDS, MAX_WORDS + 1])
def test_all_indexed_words_of_a_long_title_match_and_no_others(count: int) -> None:
    letters = [one + other + third for one in "bcdfghjk" for other in "lmnpqrst" for third in "aeiouyvwxz"]
    title = " ".join(letters[:count])
    match = matched(f"{letters[10]} {letters[count - 1]}", title)

    assert (match is not None and match.tier is Tier.WORDS) is (letters[count - 1] in words(key(title)))
    assert matched(f"{letters[10][:2]} {letters[12]}", title) is None, "only the last word may be incomplete"
