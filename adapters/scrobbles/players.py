"""The payloads of players, as they are publicly documented.

- Jellyfin: the Webhook plugin's generic destination, with all properties, or with a template of them, whose
  values are texts then.
- Plex: webhooks.
- Emby: webhooks.
- Kodi: the add-on `script.ryot`, which posts the progress of what is playing; and the notification
  `Player.OnStop` of its JSON-RPC interface, whose item has `uniqueid` as in `Video.Details.Movie`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from domain.ids import IMDB_ID, tmdb_number
from domain.scrobbles import Playback, Player, UnknownPayload

Payload = Mapping[str, object]

PLEX_PARTS = ("Account", "Server", "Player", "Metadata")

_IN_GUID = re.compile(r"(?:^|\.)(tmdb|themoviedb|imdb)://([A-Za-z0-9]+)")
"""A Plex guid, also of the agents of old: `com.plexapp.agents.imdb://tt0133093?lang=en`."""

_FRACTION = re.compile(r"(\.\d{6})\d+")
"""Digits beyond microseconds: .NET writes seven."""


def read_playback(payload: Payload) -> Playback:
    """A `PlaybackReader`."""
    for reads in (_plex, _jellyfin, _emby, _kodi_addon, _kodi_notification):
        if found := reads(payload):
            return found
    raise UnknownPayload


def _plex(payload: Payload) -> Playback | None:
    event = _text(payload.get("event"))
    if not event or not any(part in payload for part in PLEX_PARTS):
        return None
    item = _object(payload.get("Metadata"))
    guids = [item.get("guid"), *(_object(each).get("id") for each in _list(item.get("Guid")))]
    ids = {found[1]: found[2] for each in guids if (found := _IN_GUID.search(_text(each)))}
    return Playback(
        player=Player.PLEX,
        ended=event == "media.scrobble",  # sent once, when nine tenths were played
        own=payload.get("user") is not False,  # the owner of a server also hears of what others watch
        is_movie=(_text(item.get("type")) or _text(item.get("librarySectionType"))) == "movie",
        completed=True,
        tmdb_number=_tmdb(ids.get("tmdb") or ids.get("themoviedb")),
        imdb_id=_imdb(ids.get("imdb")),
        at=_unix_time(item.get("lastViewedAt")),
    )


def _jellyfin(payload: Payload) -> Playback | None:
    event = _text(payload.get("NotificationType"))
    if not event:
        return None
    return Playback(
        player=Player.JELLYFIN,
        ended=event.lower() == "playbackstop",
        is_movie=_text(payload.get("ItemType")).lower() == "movie",
        completed=_flag(payload.get("PlayedToCompletion")),
        share=_share(payload.get("PlaybackPositionTicks"), payload.get("RunTimeTicks")),
        tmdb_number=_tmdb(payload.get("Provider_tmdb")),
        imdb_id=_imdb(payload.get("Provider_imdb")),
        at=_iso_time(payload.get("Timestamp")) or _iso_time(payload.get("UtcTimestamp")),
    )


def _emby(payload: Payload) -> Playback | None:
    event = _text(payload.get("Event"))
    if not event:
        return None
    item, played = _object(payload.get("Item")), _object(payload.get("PlaybackInfo"))
    ids = {name.lower(): value for name, value in _object(item.get("ProviderIds")).items()}
    return Playback(
        player=Player.EMBY,
        ended=event.lower() == "playback.stop",
        is_movie=_text(item.get("Type")).lower() == "movie",
        completed=_flag(played.get("PlayedToCompletion")),
        share=_share(played.get("PositionTicks"), item.get("RunTimeTicks")),
        tmdb_number=_tmdb(ids.get("tmdb")),
        imdb_id=_imdb(ids.get("imdb")),
        at=_iso_time(payload.get("Date")),
    )


def _kodi_addon(payload: Payload) -> Playback | None:
    kind = _text(payload.get("lot"))
    if not kind or "progress" not in payload:
        return None
    return Playback(
        player=Player.KODI,
        ended=True,  # it only tells the progress, again and again
        is_movie=kind.lower() == "movie",
        share=_share(payload["progress"], 100),
        tmdb_number=_tmdb(payload.get("identifier")),
    )


def _kodi_notification(payload: Payload) -> Playback | None:
    event = _text(payload.get("method"))
    if not event or "params" not in payload:
        return None
    data = _object(_object(payload["params"]).get("data"))
    item = _object(data.get("item"))
    ids = _object(item.get("uniqueid"))
    return Playback(
        player=Player.KODI,
        ended=event == "Player.OnStop",
        is_movie=_text(item.get("type")) == "movie",
        completed=_flag(data.get("end")) is True,
        tmdb_number=_tmdb(ids.get("tmdb")),
        imdb_id=_imdb(ids.get("imdb")),
    )


# Values: whatever has another form than expected counts as absent.


def _object(value: object) -> Payload:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(_text(value).lower())


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _share(part: object, whole: object) -> float | None:
    played, of = _number(part), _number(whole)
    return played / of if played is not None and of else None


def _tmdb(value: object) -> int | None:
    return tmdb_number(str(value) if isinstance(value, int) else _text(value))


def _imdb(value: object) -> str | None:
    text = _text(value).lower()
    return text if IMDB_ID.fullmatch(text) else None


def _iso_time(value: object) -> datetime | None:
    return _time(datetime.fromisoformat, _FRACTION.sub(r"\1", _text(value)))


def _unix_time(value: object) -> datetime | None:
    number = _number(value)
    return None if number is None else _time(lambda seconds: datetime.fromtimestamp(seconds, UTC), number)


def _time(parse: Callable[..., datetime], value: object) -> datetime | None:
    try:
        return parse(value)
    except (ValueError, OverflowError, OSError):
        return None
