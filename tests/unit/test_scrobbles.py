"""Scrobbling: what each player sends, and what counts as a film that was watched to the end."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from adapters.scrobbles.players import read_playback
from adapters.testkit.samples import duration, new_viewing, noon
from domain.errors import Invalid
from domain.ids import ImdbId, MovieId, TmdbNumber, UserId
from domain.scrobbles import SAME_PLAY, WATCHED_SHARE, Playback, Player, Skipped, UnknownPayload, same_play
from domain.viewings import Viewing
from tests.player_events import EMBY, JELLYFIN, KODI_ADDON, KODI_NOTIFICATION, PLEX, changed

BY_BOTH = (TmdbNumber(603), ImdbId("tt0133093"))


@pytest.mark.parametrize(
    ("event", "player", "day", "refs"),
    [
        (JELLYFIN, Player.JELLYFIN, date(2026, 1, 1), BY_BOTH),
        (PLEX, Player.PLEX, date(2026, 1, 1), BY_BOTH),
        (EMBY, Player.EMBY, date(2025, 12, 31), BY_BOTH),
        (KODI_ADDON, Player.KODI, date(2026, 1, 2), BY_BOTH[:1]),
        (KODI_NOTIFICATION, Player.KODI, date(2026, 1, 2), BY_BOTH),
    ],
)
def test_a_film_that_was_watched_to_the_end_is_recognized(
    event: dict[str, Any], player: Player, day: date, refs: tuple[object, ...]
) -> None:
    found = read_playback(event)
    assert (found.player, found.skipped, found.refs) == (player, None, refs)
    assert found.day(noon(2)) == day


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (changed(JELLYFIN, NotificationType="PlaybackProgress"), Skipped.OTHER_EVENT),
        (changed(JELLYFIN, ItemType="Episode"), Skipped.NOT_A_MOVIE),
        (changed(JELLYFIN, PlayedToCompletion=False), Skipped.NOT_FINISHED),
        (changed(JELLYFIN, Provider_tmdb="", Provider_imdb="nm0000206"), Skipped.NO_ID),
        (changed(PLEX, event="media.pause"), Skipped.OTHER_EVENT),
        (changed(PLEX, user=False), Skipped.ANOTHER_USER),
        (changed(PLEX, Metadata={"type": "episode"}), Skipped.NOT_A_MOVIE),
        (changed(PLEX, Metadata={"librarySectionType": "movie"}), Skipped.NO_ID),
        ({"event": "admin.database.backup", "Server": {}}, Skipped.OTHER_EVENT),
        (changed(EMBY, Event="playback.pause"), Skipped.OTHER_EVENT),
        ({"Event": "system.notificationtest", "Title": "Test"}, Skipped.OTHER_EVENT),
        (changed(EMBY, Item={"Type": "Audio"}), Skipped.NOT_A_MOVIE),
        (changed(EMBY, PlaybackInfo={}), Skipped.NOT_FINISHED),
        (changed(KODI_ADDON, progress=40), Skipped.NOT_FINISHED),
        (changed(KODI_ADDON, progress=True), Skipped.NOT_FINISHED),
        (changed(KODI_ADDON, progress="much"), Skipped.NOT_FINISHED),
        (changed(KODI_ADDON, progress=10**400), Skipped.NOT_FINISHED),
        (changed(KODI_ADDON, lot="show"), Skipped.NOT_A_MOVIE),
        (changed(KODI_NOTIFICATION, method="Player.OnPause"), Skipped.OTHER_EVENT),
        (changed(KODI_NOTIFICATION, params={"data": {"item": {"type": "movie"}}}), Skipped.NOT_FINISHED),
        (changed(KODI_NOTIFICATION, params=[]), Skipped.NOT_A_MOVIE),
    ],
)
def test_other_events_are_skipped_with_a_reason(event: dict[str, Any], reason: Skipped) -> None:
    assert read_playback(event).skipped is reason


@pytest.mark.parametrize(
    "event", [{}, {"a": 1}, {"event": "media.scrobble"}, {"lot": "movie"}, {"method": "x"}, {"Event": 1}]
)
def test_what_no_player_sends_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UnknownPayload, match="Jellyfin, Plex, Emby or Kodi") as caught:
        read_playback(event)
    assert isinstance(caught.value, Invalid)
    assert caught.value.code == "unknown_payload"


def test_a_template_of_jellyfin_may_write_all_values_as_texts() -> None:
    texts = {name: str(value) for name, value in JELLYFIN.items()}
    assert read_playback(texts).skipped is None
    assert read_playback(changed(texts, PlayedToCompletion="False")).skipped is Skipped.NOT_FINISHED


@pytest.mark.parametrize(
    ("guid", "refs"),
    [
        ("com.plexapp.agents.imdb://tt0133093?lang=en", BY_BOTH[1:]),
        ("com.plexapp.agents.themoviedb://603?lang=en", BY_BOTH[:1]),
        ("plex://movie/5d776827880197001ec90a31", ()),
        (603, ()),
    ],
)
def test_guids_of_plex_are_understood_also_in_the_form_of_old_agents(
    guid: object, refs: tuple[object, ...]
) -> None:
    assert read_playback(changed(PLEX, Metadata={"type": "movie", "guid": guid})).refs == refs


def test_without_the_players_word_nine_tenths_of_a_film_are_enough() -> None:
    stopped = changed(EMBY, PlaybackInfo={"PositionTicks": 90})
    assert read_playback(changed(stopped, Item=EMBY["Item"] | {"RunTimeTicks": 100})).skipped is None
    assert not Playback(player=Player.EMBY, ended=True, is_movie=True, share=WATCHED_SHARE - 0.01).finished


@pytest.mark.parametrize("at", ["", "yesterday", "1066-10-14T12:00:00Z", "2026-02-03T12:00:00Z", 7, None])
def test_without_a_time_that_can_be_the_day_is_today(at: object) -> None:
    assert read_playback(changed(EMBY, Date=at)).day(noon(2)) == date(2026, 1, 2)


@pytest.mark.parametrize("at", [10**18, "nan", None])
def test_a_time_of_plex_that_cannot_be_counts_as_none(at: object) -> None:
    assert read_playback(changed(PLEX, Metadata=PLEX["Metadata"] | {"lastViewedAt": at})).at is None


def test_a_day_is_that_of_the_players_clock() -> None:
    late = changed(JELLYFIN, Timestamp="2026-01-02T00:10:00.1234567+02:00")
    assert read_playback(late).day(noon(2)) == date(2026, 1, 2)
    without_zone = changed(JELLYFIN, Timestamp="2026-01-01T23:59:59")
    assert read_playback(without_zone).at == datetime(2026, 1, 1, 23, 59, 59)  # noqa: DTZ001


def test_a_report_repeats_the_viewing_of_its_day_or_one_recorded_shortly_before() -> None:
    day, now = date(2026, 1, 2), noon(2)

    def viewing(watched_on: date | None, *, long_ago: bool = False) -> Viewing:
        ago = SAME_PLAY if long_ago else duration(60)
        made = new_viewing(UserId("a" * 24), MovieId("b" * 24), watched_on)
        return replace(made, created_at=now - ago)

    same, before, unknown = viewing(day), viewing(date(2026, 1, 1)), viewing(None)
    assert same_play([before, same, unknown], day, now) == same
    assert same_play([before, unknown], day, now) == before
    others = [viewing(date(2026, 1, 1), long_ago=True), viewing(date(2025, 12, 31)), unknown]
    assert same_play(others, day, now) is None
