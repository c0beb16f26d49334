"""Invented events of media players in their documented formats: The Matrix was watched to the end."""

from typing import Any

JELLYFIN: dict[str, Any] = {
    "ServerName": "Nebuchadnezzar",
    "NotificationType": "PlaybackStop",
    "Timestamp": "2026-01-01T22:30:00.1234567+01:00",
    "UtcTimestamp": "2026-01-01T21:30:00.1234567Z",
    "Name": "The Matrix",
    "ItemType": "Movie",
    "RunTimeTicks": 81_600_000_000,
    "PlaybackPositionTicks": 80_000_000_000,
    "PlayedToCompletion": True,
    "Provider_tmdb": "603",
    "Provider_imdb": "tt0133093",
    "NotificationUsername": "neo",
}

PLEX: dict[str, Any] = {
    "event": "media.scrobble",
    "user": True,
    "owner": True,
    "Account": {"id": 1, "title": "neo"},
    "Server": {"title": "Nebuchadnezzar"},
    "Metadata": {
        "librarySectionType": "movie",
        "type": "movie",
        "guid": "plex://movie/000000000000000000000603",
        "title": "The Matrix",
        "lastViewedAt": 1767303000,
        "Guid": [{"id": "imdb://tt0133093"}, {"id": "tmdb://603"}, {"id": "tvdb://5"}],
    },
}

EMBY: dict[str, Any] = {
    "Title": "neo has finished playing The Matrix",
    "Date": "2025-12-31T21:30:00.0000000Z",
    "Event": "playback.stop",
    "User": {"Name": "neo"},
    "Item": {"Type": "Movie", "Name": "The Matrix", "ProviderIds": {"Tmdb": "603", "Imdb": "tt0133093"}},
    "PlaybackInfo": {"PlayedToCompletion": True, "PositionTicks": 80_000_000_000},
}

KODI_ADDON: dict[str, Any] = {
    "identifier": "603",
    "lot": "movie",
    "progress": 96,
    "show_season_number": None,
    "show_episode_number": None,
}

KODI_NOTIFICATION: dict[str, Any] = {
    "jsonrpc": "2.0",
    "method": "Player.OnStop",
    "params": {
        "data": {
            "end": True,
            "item": {"id": 1, "type": "movie", "uniqueid": {"tmdb": "603", "imdb": "tt0133093"}},
        },
        "sender": "xbmc",
    },
}


def changed(event: dict[str, Any], /, **values: Any) -> dict[str, Any]:
    """An event with other values."""
    return event | values
