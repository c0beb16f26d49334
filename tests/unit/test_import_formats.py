"""What each service exports becomes the same rows: films by their ids, ratings as written, days as days."""

import json
from datetime import UTC, date, datetime

import pytest

from adapters.imports import reader
from domain.imports.rows import Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.imports.uploads import UploadRefused
from tests.unit.import_files import reading, rows

DIARY = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\r\n"
FILMS = "Date,Name,Year,Letterboxd URI\r\n2024-01-02,Heat,1995,https://boxd.it/x\r\n"
IMDB = "Const,Your Rating,Date Rated,Title,Title Type,Year\n"
MOVIE = {"title": "Heat", "year": 1995, "ids": {"trakt": 1, "slug": "heat", "imdb": "tt0113277", "tmdb": 949}}


def test_a_diary_row_is_a_viewing_with_the_day_on_which_the_film_was_seen() -> None:
    (row,) = rows(DIARY + "2024-01-02,Heat,1995,https://boxd.it/x,4.5,Yes,,2023-12-31\r\n")
    assert (row.title, row.year, row.rating, row.line) == ("Heat", 1995, "4.5", 2)
    assert row.viewings == (SeenOn(on=date(2023, 12, 31), rewatch=True),)
    assert row.of_viewing


@pytest.mark.parametrize(
    ("path", "kind", "listed", "favorite"),
    [
        ("watched.csv", RowKind.WATCHED, False, False),
        ("watchlist (1).csv", RowKind.WATCHLIST, True, False),
        ("likes/films.csv", RowKind.FAVORITE, True, True),
    ],
)
def test_the_name_tells_what_letterboxds_lists_of_films_are(
    path: str, kind: RowKind, listed: bool, favorite: bool
) -> None:
    (row,) = rows({path: FILMS})
    assert (row.kind, row.listed, row.favorite) == (kind, listed, favorite)


def test_a_list_of_films_whose_name_tells_nothing_is_not_taken_for_either() -> None:
    (row,) = rows(FILMS, "films.csv")
    assert (row.refused, row.reason) == (RowClass.NO_PLACE, Reason.UNCLEAR_LIST)


@pytest.mark.parametrize("folder", ["deleted", "orphaned", "export/deleted"])
def test_what_the_user_removed_at_letterboxd_is_not_read(folder: str) -> None:
    kept, *removed = rows({"watched.csv": FILMS, f"{folder}/watched.csv": FILMS})
    assert kept.title == "Heat"
    assert removed == []


@pytest.mark.parametrize("first", ["", "Letterboxd list export v7"])
def test_films_of_a_personal_list_have_no_place(first: str) -> None:
    text = (
        f'{first}\r\nDate,Name,Tags,URL,Description\r\n2024-01-01,Mine,,u,"two\nlines"\r\n\r\n'
        "Position,Name,Year,URL,Description\r\n1,Heat,1995,u,\r\n"
    )
    (row,) = rows({"lists/mine.csv": text})
    assert (row.title, row.line, row.refused, row.reason) == (
        "Heat",
        7,
        RowClass.NO_PLACE,
        Reason.PERSONAL_LIST,
    )


def test_personal_data_and_comments_are_not_read() -> None:
    profile = "Date Joined,Username,Given Name,Family Name,Email Address\n2020-01-01,ada,,,a@example.org\n"
    comments = "Date,Content,Comment\n2020-01-01,u,hello\n"
    assert len(rows({"watched.csv": FILMS, "profile.csv": profile, "comments.csv": comments})) == 1


def test_a_review_is_plain_text_and_keeps_its_lines() -> None:
    text = (
        "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date\r\n"
        '2024-01-02,Heat,1995,u,4,,"<i>Good</i> &amp; ""long""\r\n<b>Really</b>",,\r\n'
        f"2024-01-02,Ran,1985,u,,,{'x' * 2500},,2024-01-01\r\n"
    )
    heat, ran = rows(text)
    assert heat.review == 'Good & "long"\r\nReally'
    assert heat.viewings == ()
    assert ran.line == 4
    assert len(ran.review or "") == 2000
    assert Reason.TEXT_CUT in ran.remarks


@pytest.mark.parametrize(
    ("title_type", "refused"),
    [
        *(
            (each, None)
            for each in ("Movie", "tvMovie", "Feature Film", "", "Film", "Corto", "Película de TV")
        ),
        *((each, None) for each in ("Kurzfilm", "Court-métrage", "Speciale TV", "Curta-metragem")),
        *((each, Reason.SERIES) for each in ("TV Mini Series", "tvEpisode", "Serie TV", "Minissérie de TV")),
        *((each, Reason.SERIES) for each in ("Fernsehserie", "Épisode télévisé", "TV Show", "TV")),
        *((each, Reason.OTHER_TITLE) for each in ("Video Game", "Videospiel", "Jeu vidéo", "Podcast Series")),
        ("in a language that is not known", None),
    ],
)
def test_imdbs_types_of_titles_tell_films_from_the_rest(title_type: str, refused: Reason | None) -> None:
    (row,) = rows(f"{IMDB}tt0113277,9,2020-05-01,Heat,{title_type},1995\n")
    assert (row.reason, row.imdb_id) == (refused, "tt0113277")


def test_a_type_that_is_not_known_is_left_to_an_imdb_id_but_not_to_a_number_that_a_series_may_have() -> None:
    known = "603,,The Matrix,movie\n"
    header = "tmdb_id,imdb_id,title,type\n"
    found = rows(f"{header}{known},tt0113277,Heat,फ़िल्म\n949,tt0113277,Heat,फ़िल्म\n,,Heat,फ़िल्म\n")
    assert [row.reason for row in found] == [None, None, Reason.OTHER_TITLE, Reason.OTHER_TITLE]


def test_a_column_named_type_that_has_no_types_of_titles_is_left_out() -> None:
    found = rows("title,year,type,rating\nHeat,1995,Drama,8\nRan,1985,History,9\n")
    assert [row.reason for row in found] == [None, None]


def test_the_oldest_header_of_imdb_is_a_watchlist_if_its_rows_were_modified() -> None:
    header = "position,const,created,modified,description,Title,Title type,You rated,Year\n"
    day = "Sun Jan 29 00:00:00 2017"
    (rated,) = rows(f"{header}1,tt0113277,{day},,,Heat,Feature Film,9,1995\n")
    (listed,) = rows(f"{header}1,tt0113277,{day},{day},soon,Heat,Feature Film,9,1995\n")
    assert (rated.kind, rated.rated_at, rated.listed) == (RowKind.RATING, date(2017, 1, 29), False)
    assert (listed.kind, listed.added_at, listed.note) == (RowKind.WATCHLIST, date(2017, 1, 29), "soon")
    assert (listed.rating, listed.rated_at) == ("9", None)


def test_the_oldest_header_of_imdb_is_a_list_if_nothing_was_rated() -> None:
    header = "position,const,created,modified,description,Title,Title type,You rated,Year\n"
    (row,) = rows(f"{header}1,tt0113277,Tue Jul 26 05:37:34 2016,,,Heat,Feature Film,,1995\n")
    assert (row.kind, row.listed) == (RowKind.WATCHLIST, True)
    assert row.added_at == datetime(2016, 7, 26, 5, 37, 34, tzinfo=UTC)


def test_imdbs_days_of_release_settle_the_order_of_day_and_month_too() -> None:
    header = "Position,Const,Created,Modified,Description,Title,Title Type,Year,Release Date\n"
    row = "1,tt0113277,10-09-20,10-09-20,,Heat,movie,1995,{}\n"
    (unclear,) = rows(header + row.format("01-02-96"))
    (settled,) = rows(header + row.format("15-12-95"))
    assert (unclear.added_at, settled.added_at) == (None, date(2020, 9, 10))


@pytest.mark.parametrize("day", ["4-Mar-26", "04-Mar-2026"])
def test_days_with_the_short_name_of_a_month_are_read(day: str) -> None:
    (row,) = rows(f"{IMDB}tt0113277,9,{day},Heat,Movie,1995\n")
    assert row.rated_at == date(2026, 3, 4)


def test_lines_that_a_spreadsheet_has_made_one_field_each_are_read() -> None:
    wrapped = '"tt0066921,8,2020-05-02,""Orange, A Clockwork"",Movie,1971"\n'
    found = rows(f"{IMDB}tt0113277,9,2020-05-01,Heat,Movie,1995\n{wrapped}")
    assert [(row.title, row.rating) for row in found] == [("Heat", "9"), ("Orange, A Clockwork", "8")]
    (all_wrapped,) = rows(f'"{IMDB.strip()}"\n{wrapped}')
    assert (all_wrapped.title, all_wrapped.imdb_id) == ("Orange, A Clockwork", "tt0066921")


def test_a_table_of_one_column_keeps_the_commas_of_its_titles() -> None:
    (row,) = rows('Title\n"The Good, the Bad and the Ugly"\n')
    assert row.title == "The Good, the Bad and the Ugly"


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["4/18/2026", "3/2/2026"], [date(2026, 4, 18), date(2026, 3, 2)]),
        (["18/4/2026", "3/2/2026"], [date(2026, 4, 18), date(2026, 2, 3)]),
        (["04.03.2026"], [date(2026, 3, 4)]),
        (["04-03-20", "05/05/2020"], [None, date(2020, 5, 5)]),
        (["18/4/2026", "4/18/2026"], [None, None]),
    ],
)
def test_day_and_month_are_settled_by_the_whole_file_or_left_out(
    dates: list[str], days: list[date | None]
) -> None:
    found = rows(IMDB + "".join(f"tt0113277,9,{each},Heat,Movie,1995\n" for each in dates))
    assert [row.rated_at for row in found] == days
    assert all(row.rated_at or row.remarks == (Reason.UNCLEAR_DATE,) for row in found)


DATED = {
    "letterboxd": "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n{0},Heat,1995,u,4,,,{0}\n",
    "movary": "title,year,tmdbId,imdbId,watchedAt\nHeat,1995,949,tt0113277,{0}\n",
    "yamtrack": "media_id,source,media_type,title,status,end_date\n949,tmdb,movie,Heat,Completed,{0}\n",
    "simkl": "SIMKL_ID,Title,Type,Year,Watchlist,WatchedDate,Rating\n1,Heat,movie,1995,completed,{0},8\n",
    "csv": "Title,Year,Watched\nHeat,1995,{0}\n",
}


@pytest.mark.parametrize("service", DATED)
def test_dates_that_a_spreadsheet_has_written_anew_are_read_in_the_tables_of_every_service(
    service: str,
) -> None:
    header, row = DATED[service].splitlines(keepends=True)
    found = rows(header + row.format("4/3/2026") + row.format("4/18/2026"))
    assert [each.viewings[0].on for each in found] == [date(2026, 4, 3), date(2026, 4, 18)]
    (chosen,) = rows(header + row.format("4/3/2026"), date_order="dmy")
    assert chosen.viewings[0].on == date(2026, 3, 4)


def test_dates_of_tmdb_that_a_spreadsheet_has_written_anew_are_read() -> None:
    header = "TMDb ID,IMDb ID,Type,Name,Your Rating,Date Rated\n"
    found = rows(f"{header}949,,movie,Heat,8,4/3/2026\n949,,movie,Heat,8,4/18/2026\n")
    assert [each.rated_at for each in found] == [date(2026, 4, 3), date(2026, 4, 18)]


def test_the_order_of_day_and_month_can_be_chosen() -> None:
    (row,) = rows(f"{IMDB}tt0113277,9,4/3/2026,Heat,Movie,1995\n", date_order="dmy")
    assert row.rated_at == date(2026, 3, 4)


def test_a_table_saved_again_by_a_spreadsheet_is_read() -> None:
    header = "\ufeff" + IMDB.replace(",", ";")
    text = f"{header}tt0211915;9;2020-05-01;Amélie;Movie;2001\r\n;;;;;\r\n;;;;;\r\n"
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be"):
        (row,) = rows(text.encode(encoding))
        assert row.title == "Amélie"
    (row,) = rows(text.removeprefix("\ufeff").encode("cp1252"))
    assert row.title == "Amélie"
    (row,) = rows(f"sep=;\r\n{text}")
    assert (row.title, row.line) == ("Amélie", 3)


@pytest.mark.parametrize(
    ("name", "entry", "kind"),
    [
        ("ratings-movies.json", {"rated_at": "2024-01-02T10:11:12.000Z", "rating": 8}, RowKind.RATING),
        ("watched-history-12.json", {"watched_at": "2024-01-02T23:59:59.000Z"}, RowKind.VIEWING),
        ("watched_movies.txt", {"plays": 2, "last_watched_at": "2024-01-02T10:00:00.000Z"}, RowKind.WATCHED),
        (
            "lists-watchlist-2.json",
            {"listed_at": "2024-01-02T10:00:00.000Z", "notes": "soon"},
            RowKind.WATCHLIST,
        ),
        ("lists-favorites.json", {"listed_at": "2024-01-02T10:00:00.000Z"}, RowKind.FAVORITE),
        ("lists-list-7-watchlist-2.json", {"listed_at": "2024-01-02T10:00:00.000Z"}, RowKind.LIST),
        ("collection-movies-1.json", {"collected_at": "2024-01-02T10:00:00.000Z"}, RowKind.LIST),
    ],
)
def test_trakts_entries_are_told_apart_by_their_keys_and_their_lists_by_name(
    name: str, entry: dict[str, object], kind: RowKind
) -> None:
    (row,) = rows({f"ada/{name}": json.dumps([{**entry, "type": "movie", "movie": MOVIE}])})
    assert (row.kind, row.tmdb_id, row.imdb_id) == (kind, 949, "tt0113277")
    assert (row.refused is None) == (kind is not RowKind.LIST)


def test_the_one_object_of_traktexport_has_all_kinds() -> None:
    at = "2024-01-02T10:00:00.000Z"
    export = {
        "username": "ada",
        "history": [{"watched_at": at, "movie": MOVIE}, {"watched_at": at, "episode": {}, "show": MOVIE}],
        "ratings": [{"rated_at": at, "rating": 8, "movie": MOVIE}],
        "watched": [],
        "watchlist": [{"listed_at": at, "movie": MOVIE}],
        "followers": [{"followed_at": at, "user": {}}],
    }
    found = rows(json.dumps(export))
    assert [row.kind for row in found] == [
        RowKind.VIEWING,
        RowKind.VIEWING,
        RowKind.RATING,
        RowKind.WATCHLIST,
    ]
    assert found[1].reason is Reason.SERIES


def test_days_that_stand_for_unknown_are_none() -> None:
    entries = [{"watched_at": f"{day}T00:00:00.000Z", "movie": MOVIE} for day in ("1970-01-01", "1899-12-30")]
    assert [row.viewings for row in rows(json.dumps(entries))] == [(SeenOn(),), (SeenOn(),)]


def test_a_moment_in_a_zone_keeps_the_day_of_that_zone() -> None:
    header = '"media_id","source","media_type","title","score","status","notes","end_date"\n'
    (row,) = rows(f'{header}"949","tmdb","movie","Heat","8.7","Completed","","2024-01-02 23:30:00-05:00"\n')
    assert row.viewings[0].on == date(2024, 1, 2)


def test_our_own_export_keeps_all_times() -> None:
    movie = {"tmdb_id": 949, "title": "Heat", "release_date": "1995-12-15"}
    at = "2024-01-02T00:00:00.123Z"
    own = {
        "user": {"username": "ada"},
        "ratings": [{"movie": movie, "rating": 8.5, "review": "Good", "created_at": at, "updated_at": at}],
        "watchlist": [{"movie": movie, "is_favorite": True, "note": None, "added_at": at, "updated_at": at}],
        "viewings": [{"movie": movie, "watched_on": "2024-01-01", "rewatch": True, "created_at": at}],
    }
    rating, item, viewing = rows(json.dumps(own))
    moment = datetime(2024, 1, 2, 0, 0, 0, 123000, UTC)
    assert (rating.rating, rating.review, rating.rated_at, rating.updated_at) == (
        "8.5",
        "Good",
        moment,
        moment,
    )
    assert (item.favorite, item.added_at, item.listed_updated_at) == (True, moment, moment)
    assert viewing.viewings == (SeenOn(on=date(2024, 1, 1), rewatch=True, created_at=moment),)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (
            "Film;Jahr;Meine Bewertung\nHeat;1995;8,5\n",
            {"title": "film", "year": "jahr", "rating": "meine bewertung"},
        ),
        ("Título,Año,Nota\nHeat,1995,8\n", {"title": "título", "year": "año", "rating": "nota"}),
        ("Titre\tAnnée\tÉtoiles\nHeat\t1995\t4\n", {"title": "titre", "year": "année", "rating": "étoiles"}),
        ("imdbID,Rating10\ntt0113277,8\n", {"imdb_id": "imdbid", "rating": "rating10"}),
    ],
)
def test_the_columns_of_any_table_are_found_by_their_headers(text: str, columns: dict[str, str]) -> None:
    found = reading(text)
    assert found.format is SourceFormat.CSV
    assert found.scale is None
    assert found.columns_found == columns


def test_the_columns_of_a_table_can_be_chosen() -> None:
    text = "What,When,Verdict\nHeat (1995),2024-01-02,8\n"
    with pytest.raises(UploadRefused):
        reading(text)
    (row,) = rows("Name,When,Verdict\nHeat (1995),2024-01-02,8\n", watched_on="When", rating="verdict")
    assert (row.title, row.year, row.rating, row.viewings) == (
        "Heat",
        1995,
        "8",
        (SeenOn(on=date(2024, 1, 2)),),
    )


def test_any_table_is_read_if_a_table_is_asked_for() -> None:
    text = "What,,When,What,Verdict\nHeat (1995),,2024-01-02,,8\n"
    found = reading(text, wanted=SourceFormat.CSV)
    assert (found.columns_found, found.headers) == ({}, ("what", "when", "verdict"))
    chosen = reading(text, wanted=SourceFormat.CSV, title="What", rating="Verdict", watched_on="When")
    (row,) = chosen.rows()
    assert (row.title, row.rating, row.viewings) == ("Heat", "8", (SeenOn(on=date(2024, 1, 2)),))
    with pytest.raises(UploadRefused):
        reading(b"\x7fELF" + bytes(5000), wanted=SourceFormat.CSV)


def test_columns_can_be_chosen_from_headers_that_can_be_shown() -> None:
    headers = ["title", '"in two\nlines"', "x" * 400, *(f"c{number}" for number in range(300))]
    assert reading(",".join(headers) + "\n").headers == ("title", *(f"c{number}" for number in range(199)))
    assert reading(FILMS, "watched.csv").headers == ()


def test_a_table_of_nothing_but_films_is_a_watchlist() -> None:
    (row,) = rows("title\nHeat (1995)\n")
    assert (row.title, row.year, row.listed) == ("Heat", 1995, True)


def test_a_format_that_was_asked_for_must_be_that_of_the_file() -> None:
    assert reading(FILMS, "watched.csv", SourceFormat.LETTERBOXD).format is SourceFormat.LETTERBOXD
    with pytest.raises(UploadRefused, match="must have the format that `source` names"):
        reading(FILMS, "watched.csv", SourceFormat.IMDB)


def test_rows_after_the_most_that_one_import_takes_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ROWS", 3)
    found = rows("title\n" + "Heat\n" * 8)
    assert len(found) == 4
    assert (found[-1].refused, found[-1].reason) == (RowClass.UNREADABLE, Reason.TOO_MANY_ROWS)
