"""How facts of a source update movies and genres."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import GenreId, genre_id, movie_id
from domain.languages import Language, Translation
from domain.movies import (
    DETAIL_FACTS,
    FACTS,
    NO_TEXTS,
    TEXT_FACTS,
    CastMember,
    Genre,
    GenreFacts,
    Movie,
    MovieFacts,
    Outcome,
    folded_name,
    merged_genres,
    outcome,
    picture_url,
)
from domain.ratings import Score, Tally

POSTERS = "https://image.tmdb.org/t/p/w500"

MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6, 7))
LISTED = MovieFacts(tmdb_id=1, title="Ran", original_title="乱", popularity=5.0)
DETAILED = replace(LISTED, runtime=160, imdb_id="tt0089881", detailed=True)

texts = st.text(min_size=1, max_size=5)
genres = st.lists(st.integers(1, 3).map(genre_id), unique=True).map(tuple)
by_type: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    str | None: st.none() | texts,
    int: st.integers(1, 300),
    int | None: st.none() | st.integers(1, 300),
    float | None: st.none() | st.floats(0, 9),
    bool: st.booleans(),
    date | None: st.none() | st.dates(),
    tuple[GenreId, ...]: genres,
    tuple[str, ...]: st.lists(texts, max_size=2).map(tuple),
    tuple[int, ...]: st.lists(st.integers(1, 300), max_size=2).map(tuple),
    tuple[Translation, ...]: st.sampled_from(
        [(), (Translation(language=Language("de"), title="a"),), (Translation(language=Language("fr")),)]
    ),
    tuple[CastMember, ...]: st.lists(st.builds(CastMember, texts, st.none() | texts), max_size=2).map(tuple),
}
movie_facts = st.fixed_dictionaries(
    {each.name: by_type[each.type] for each in fields(MovieFacts) if each.name in FACTS}
    | {
        "tmdb_id": st.just(1),
        "detailed": st.booleans(),
        "details_version": st.none() | st.sampled_from("12"),
        "omitted": st.frozensets(st.sampled_from([fact for fact in FACTS if fact != "tmdb_id"])),
        "warnings": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True).map(tuple),
    }
).map(lambda values: MovieFacts(**values))
genre_facts = st.lists(
    st.builds(GenreFacts, tmdb_id=st.integers(1, 4), name=st.sampled_from(["A", "a", "B", "C "]))
)


def test_a_list_does_not_erase_details() -> None:
    movie = Movie.from_facts(DETAILED, MONDAY).updated_from(replace(LISTED, popularity=9.0), TUESDAY)
    assert movie.facts == replace(DETAILED, popularity=9.0)


@given(movie_facts, movie_facts)
def test_an_update_changes_only_the_given_facts(one: MovieFacts, two: MovieFacts) -> None:
    held = Movie.from_facts(one, MONDAY)
    after = held.updated_from(two, TUESDAY).facts
    for facts in (held.facts, after):
        assert (facts.omitted, facts.warnings) == (frozenset(), ())
    for each in fields(MovieFacts):
        if each.name not in {"omitted", "warnings", "detailed", "details_version"}:
            kept = held.facts if each.name in two.missing else two
            assert getattr(after, each.name) == getattr(kept, each.name)
    assert after.detailed == (one.detailed or two.detailed)
    assert after.details_version == (two.details_version or one.details_version)


@given(movie_facts, movie_facts, movie_facts)
def test_merged_facts_update_like_list_and_details_in_sequence(
    held: MovieFacts, listed: MovieFacts, own: MovieFacts
) -> None:
    movie = Movie.from_facts(held, MONDAY)
    together = movie.updated_from(own.completed_by(listed), TUESDAY).facts
    assert together == movie.updated_from(listed, TUESDAY).updated_from(own, TUESDAY).facts


def test_merged_facts_have_the_warnings_of_both_once() -> None:
    listed, own = replace(LISTED, warnings=("a", "b")), replace(DETAILED, warnings=("b", "c"))
    assert own.completed_by(listed).warnings == ("a", "b", "c")


def test_merged_facts_lack_only_what_both_lack() -> None:
    listed = replace(LISTED, omitted=frozenset({"popularity", "overview"}))
    own = replace(DETAILED, omitted=frozenset({"popularity", "adult"}))
    assert own.completed_by(listed).omitted == {"popularity"}
    assert listed.completed_by(own).omitted == {"popularity"}
    assert listed.completed_by(LISTED).omitted == DETAIL_FACTS
    assert listed.missing == {"popularity", "overview"} | DETAIL_FACTS
    assert {"imdb_id", "runtime", "cast"} <= DETAIL_FACTS
    assert own.missing == {"popularity", "adult"}


def test_details_may_remove_an_earlier_value() -> None:
    movie = Movie.from_facts(DETAILED, MONDAY).updated_from(replace(DETAILED, runtime=None), TUESDAY)
    assert movie.facts.runtime is None


@given(movie_facts, movie_facts)
def test_updates_are_idempotent(first: MovieFacts, second: MovieFacts) -> None:
    once = Movie.from_facts(first, MONDAY).updated_from(second, TUESDAY)
    assert once.updated_from(second, TUESDAY) == once
    assert outcome(once, once.updated_from(second, TUESDAY)) is Outcome.UNCHANGED


@given(movie_facts, movie_facts)
def test_an_update_keeps_id_creation_time_and_tally(first: MovieFacts, second: MovieFacts) -> None:
    before = Movie.from_facts(first, MONDAY)
    after = before.updated_from(second, TUESDAY)
    assert (after.id, after.created_at, after.tally) == (before.id, before.created_at, before.tally)
    assert after.synced_at == TUESDAY
    assert (after.updated_at == TUESDAY) == (outcome(before, after) is Outcome.UPDATED)


def test_a_new_movie_is_inserted() -> None:
    assert outcome(None, Movie.from_facts(LISTED, MONDAY)) is Outcome.INSERTED


def test_details_are_needed_for_changed_facts_and_an_unknown_runtime() -> None:
    held = Movie.from_facts(DETAILED, MONDAY)
    assert not held.needs_details(LISTED)
    assert held.needs_details(replace(LISTED, popularity=6.0))
    assert held.marked_removed(TUESDAY).needs_details(LISTED)
    assert Movie.from_facts(LISTED, MONDAY).needs_details(LISTED)


def test_a_removed_movie_is_not_visible_until_its_source_has_it_again() -> None:
    removed = Movie.from_facts(DETAILED, MONDAY).marked_removed(MONDAY)
    assert not removed.visible
    assert removed.marked_removed(TUESDAY).removed_at == MONDAY
    back = removed.updated_from(DETAILED, TUESDAY)
    assert back.visible
    assert outcome(removed, back) is Outcome.UPDATED


def test_only_the_first_removal_is_an_update() -> None:
    held = Movie.from_facts(DETAILED, MONDAY)
    removed = held.marked_removed(TUESDAY)
    assert removed == replace(held, removed_at=TUESDAY, updated_at=TUESDAY, synced_at=TUESDAY)
    assert removed.marked_removed(WEDNESDAY) == replace(removed, synced_at=WEDNESDAY)
    assert removed.updated_from(DETAILED, WEDNESDAY) == replace(
        held, removed_at=None, updated_at=WEDNESDAY, synced_at=WEDNESDAY
    )


def test_only_texts_and_pictures_are_cleared_and_only_once() -> None:
    full = replace(DETAILED, overview="War.", poster_path="/p.jpg", cast=(CastMember("Ann"),))
    held = Movie.from_facts(full, MONDAY)
    assert held.without_texts(TUESDAY) == replace(held, facts=DETAILED, updated_at=TUESDAY)
    texts = (
        *("overview", "poster_path", "backdrop_path", "tagline", "directors", "cast", "trailer_url"),
        *("collection", "recommended", "translations"),
    )
    assert set(TEXT_FACTS) == set(texts)
    for text in texts:
        value: Any = ("x",) if NO_TEXTS[text] == () else "x"
        facts = replace(DETAILED, **{text: value})
        partly = Movie.from_facts(facts, MONDAY)
        assert partly.without_texts(TUESDAY).facts == DETAILED
    cleared = held.without_texts(TUESDAY)
    assert cleared.without_texts(WEDNESDAY) is cleared


def test_the_people_of_a_movie_are_its_directors_and_cast_each_once() -> None:
    cast = (CastMember("Ann", "Herself"), CastMember("Bo"), CastMember("Ann", "Her twin"))
    assert replace(DETAILED, directors=("Cy", "Bo"), cast=cast).people == ("Cy", "Bo", "Ann")
    assert DETAILED.people == ()


def test_a_removal_changes_the_record_and_a_rating_does_not() -> None:
    held = Movie.from_facts(DETAILED, MONDAY)
    assert outcome(held, held.marked_removed(TUESDAY)) is Outcome.UPDATED
    assert outcome(held, replace(held, tally=Tally.of([Score.of(9)]))) is Outcome.UNCHANGED
    assert outcome(held, replace(held, synced_at=TUESDAY, updated_at=TUESDAY)) is Outcome.UNCHANGED


def test_a_new_movie_has_a_derived_id_and_no_ratings() -> None:
    movie = Movie.from_facts(DETAILED, MONDAY)
    assert (movie.id, movie.tally, movie.removed_at) == (movie_id(1), Tally(), None)
    assert movie.created_at == movie.updated_at == movie.synced_at == MONDAY


def test_an_adult_movie_is_not_visible() -> None:
    assert not Movie.from_facts(replace(LISTED, adult=True), MONDAY).visible


def test_a_poster_has_an_address_if_there_is_one() -> None:
    assert picture_url(POSTERS, None) is None
    assert picture_url(POSTERS, "/ran.jpg") == "https://image.tmdb.org/t/p/w500/ran.jpg"


def poster_of(path: str) -> str | None:
    return picture_url(POSTERS, path)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a b.jpg", "/a%20b.jpg"),
        ("/a%20b.jpg", "/a%20b.jpg"),
        ("/50%.jpg", "/50%25.jpg"),
        ("/50%zz.jpg", "/50%25zz.jpg"),
        ("/é乱.jpg", "/%C3%A9%E4%B9%B1.jpg"),
        ("/a?b#c.jpg", "/a%3Fb%23c.jpg"),
        ('/"<a>".jpg', "/%22%3Ca%3E%22.jpg"),
        ("/user@host:1/a.jpg", "/user%40host%3A1/a.jpg"),
        ("/a..b/...jpg", "/a..b/...jpg"),
        ("/half\ud800.jpg", "/half%3F.jpg"),
    ],
)
def test_the_address_of_a_poster_is_percent_encoded_once(path: str, shown: str) -> None:
    assert poster_of(path) == POSTERS + shown


@pytest.mark.parametrize(
    "path",
    ["", "/", "a.jpg", "//evil.example/a.jpg", "/../a.jpg", "/a/../../b.jpg", "/./a.jpg", "/a/", "/a//b.jpg",
     "/%2e%2e/a.jpg", "/%2E./a.jpg", "/..%2fa.jpg", "/\\evil.example/a.jpg", "/a\\..\\b.jpg",
     "\\a.jpg", "%2fa.jpg", "https://evil.example/a.jpg", "@evil.example/a.jpg", ".evil.example/a.jpg",
     "/a\tb.jpg", "/a.jpg\n", "/a\r\nX-Evil: 1", "/a\x00.jpg", "/a\x7f.jpg", "/a\x85.jpg", "/a\u2028.jpg",
     "/a%0d%0aX-Evil:%201", "/%00.jpg", "/a%E2%80%A8.jpg"],
)  # fmt: skip
def test_a_path_that_leaves_the_base_address_is_refused(path: str) -> None:
    assert poster_of(path) is None


@given(st.text() | st.text(alphabet="/.%\\2eEfF@:?# a").map("/".__add__))
def test_the_address_of_a_poster_never_leaves_the_base_address(path: str) -> None:
    address = poster_of(path)
    if address is None:
        return
    assert address.startswith(f"{POSTERS}/")
    assert address.isascii()
    assert address.isprintable()
    assert not set(' "<>\\^`{|}?#') & set(address)
    assert urljoin("https://client.example/", address) == address
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "image.tmdb.org", "", "")
    assert not {"", ".", ".."} & set(unquote(parts.path).split("/")[1:])
    encoded_again = poster_of(address.removeprefix(POSTERS))
    assert encoded_again == address


@given(genre_facts, genre_facts)
def test_genres_have_different_names_and_none_is_lost(
    first: list[GenreFacts], second: list[GenreFacts]
) -> None:
    held = merged_genres([], first, MONDAY)
    after = merged_genres(held, second, TUESDAY)
    assert len({folded_name(genre.name) for genre in after}) == len(after)
    assert {genre.tmdb_id for genre in after} == {fact.tmdb_id for fact in (*first, *second)}
    assert merged_genres(after, second, TUESDAY) == after


def test_a_genre_matches_its_id_number_and_name_in_any_case() -> None:
    genre = Genre.from_facts(GenreFacts(tmdb_id=878, name="Science Fiction"), MONDAY)
    for ref in (genre.id, "878", "science fiction", " SCIENCE FICTION", "Ｓcience Fiction"):
        assert genre.matches(ref)
    assert not genre.matches("Science")


def test_only_a_new_name_changes_a_genre() -> None:
    genre = Genre.from_facts(GenreFacts(tmdb_id=878, name="Science Fiction"), MONDAY)
    assert (genre.id, genre.created_at, genre.updated_at) == (genre_id(878), MONDAY, MONDAY)
    assert genre.updated_from(GenreFacts(tmdb_id=878, name="Science Fiction"), TUESDAY) is genre
    renamed = genre.updated_from(GenreFacts(tmdb_id=878, name="SciFi"), TUESDAY)
    assert renamed == replace(genre, name="SciFi", updated_at=TUESDAY)
    assert outcome(genre, renamed) is Outcome.UPDATED
    assert outcome(None, genre) is Outcome.INSERTED
    assert (genre.cursor.value, genre.cursor.id) == ("Science Fiction", genre.id)


def test_a_name_belongs_to_the_genre_that_the_source_last_gave_it_to() -> None:
    held = merged_genres([], [GenreFacts(tmdb_id=1, name="War"), GenreFacts(tmdb_id=2, name="Noir")], MONDAY)
    after = merged_genres(held, [GenreFacts(tmdb_id=3, name="war ")], TUESDAY)
    assert {genre.tmdb_id: genre.name for genre in after} == {1: "War (1)", 2: "Noir", 3: "war "}
    assert {genre.tmdb_id: genre.updated_at for genre in after} == {1: TUESDAY, 2: MONDAY, 3: TUESDAY}
    twice = merged_genres([], [GenreFacts(tmdb_id=4, name="A"), GenreFacts(tmdb_id=4, name="B")], MONDAY)
    assert [genre.name for genre in twice] == ["B"]
