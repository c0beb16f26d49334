"""Every error has a stable code for programs and a sentence for people."""

import pytest

from application.operations import CatalogueNotFilled
from application.probes import NotProbedYet, ProbeFailed
from domain.api_tokens import ApiTokenNotFound, ReadOnlyToken, SessionRequired, TooManyApiTokens
from domain.browsing import GenreChoiceMixed
from domain.changes import ChangesExpired
from domain.errors import (
    Conflict,
    Fault,
    FaultCode,
    Forbidden,
    Invalid,
    InvalidFields,
    InvalidText,
    MatineeError,
    NotFound,
    StorageUnavailable,
    Unauthenticated,
    Unavailable,
)
from domain.idempotency import IdempotencyKeyInUse, IdempotencyKeyReused, ResponseNotKept
from domain.ids import RunId
from domain.imports.imports import (
    ImportChanged,
    ImportNotFound,
    ImportNotReady,
    ImportState,
    NoSuchRows,
    TooManyImports,
)
from domain.imports.scales import UnknownScale, UnreadableRating
from domain.imports.uploads import Refusal, UploadRefused
from domain.invitations import (
    InvitationNotFound,
    InvitationRejected,
    InvitationRequired,
    RegistrationClosed,
)
from domain.movies import GenreNotFound, MovieNotFound
from domain.ports import QueueUnavailable
from domain.ratings import AlreadyRated, NotYourRating, RatingNotFound, ScoreOutOfRange
from domain.recommendations import HiddenListFull
from domain.scrobbles import UnknownPayload
from domain.sync import (
    Entity,
    FilledFromAnotherSource,
    NoSource,
    RunClosed,
    RunNotFound,
    SourceName,
    SourceRefused,
    SourceUnavailable,
    SyncRunning,
)
from domain.users import (
    AdminsOnly,
    EmailAndUsernameTaken,
    EmailTaken,
    InvalidCredentials,
    LastAdmin,
    TokenExpired,
    TokenRejected,
    TokenRevoked,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from domain.viewings import AlreadyViewed, DayOutOfRange, DiaryFull, NotYourViewing, ViewingNotFound
from domain.watchlist import AlreadyListed, ItemNotFound, NotYourItem, WatchlistFull

KINDS = {
    Invalid: "validation_failed",
    NotFound: "not_found",
    Conflict: "conflict",
    Forbidden: "forbidden",
    Unauthenticated: "token_rejected",
    Unavailable: "unavailable",
}


@pytest.mark.parametrize(
    ("error", "kind", "code", "sentence"),
    [
        (AlreadyRated(), Conflict, "already_rated", "You have rated this movie already"),
        (RatingNotFound(), NotFound, "rating_not_found", "There is no such rating"),
        (NotYourRating(), Forbidden, "not_your_rating", "The rating is another user's"),
        (ScoreOutOfRange(11), Invalid, "validation_failed",
         "rating must be between 1 and 10 in steps of 0.5"),
        (UnknownPayload(), Invalid, "unknown_payload",
         "The body must be an event of Jellyfin, Plex, Emby or Kodi"),
        (AlreadyListed(), Conflict, "already_listed", "The movie is on the watchlist already"),
        (WatchlistFull(), Conflict, "watchlist_full", "A watchlist holds at most 5,000 movies"),
        (ItemNotFound(), NotFound, "item_not_found", "There is no such watchlist item"),
        (NotYourItem(), Forbidden, "not_your_item", "The watchlist item is another user's"),
        (MovieNotFound("603"), NotFound, "movie_not_found", "There is no such movie"),
        (GenreNotFound("18"), NotFound, "genre_not_found", "There is no such genre"),
        (GenreChoiceMixed(), Invalid, "validation_failed",
         "genre must be separated by commas (all of them) or by bars (any of them), not both"),
        (RunNotFound("x"), NotFound, "run_not_found", "There is no such sync run"),
        (SyncRunning(Entity.GENRES), Conflict, "sync_running", "A sync of genres is running already"),
        (RunClosed(RunId("x")), Conflict, "run_closed", "The sync run is closed"),
        (FilledFromAnotherSource(SourceName.DEMO), Conflict, "source_mismatch",
         ("The catalogue was filled from TMDB, so the demo catalogue is refused: set TMDB_ACCESS_TOKEN or"
          " TMDB_API_KEY, or use the demo with another, empty DATA_DIR")),
        (FilledFromAnotherSource(SourceName.TMDB), Conflict, "source_mismatch",
         ("The catalogue was filled from the demo, so TMDB is refused: run `matinee sync upgrade` to hand it"
          " over to TMDB, which keeps accounts, ratings and watchlists")),
        (SourceUnavailable("TMDB is away"), Unavailable, "source_unavailable", "TMDB is away"),
        (SourceRefused("set the token"), Unavailable, "source_refused", "set the token"),
        (QueueUnavailable("no answer"), Unavailable, "queue_unavailable",
         "The job queue cannot be had: no answer"),
        (StorageUnavailable("disk full"), Unavailable, "storage_unavailable",
         "The storage is not available: disk full"),
        (EmailTaken(), Conflict, "email_taken", "email is taken"),
        (UsernameTaken(), Conflict, "username_taken", "username is taken"),
        (EmailAndUsernameTaken(), Conflict, "email_and_username_taken", "email and username are taken"),
        (LastAdmin(), Conflict, "last_admin", "The last admin can be neither demoted, disabled nor deleted"),
        (UserNotFound(), NotFound, "user_not_found", "There is no such user"),
        (RegistrationClosed(), Forbidden, "registration_closed",
         "Registration is closed; an administrator can create an account"),
        (InvitationRequired(), Forbidden, "invitation_required",
         "Registration needs an invitation; an administrator can give one"),
        (InvitationRejected(), Forbidden, "invitation_rejected",
         "The invitation is unknown, has expired or is used up"),
        (InvitationNotFound(), NotFound, "invitation_not_found", "There is no such invitation"),
        (InvalidCredentials(), Unauthenticated, "invalid_credentials", "E-mail or password is wrong"),
        (WrongPassword(), Forbidden, "wrong_password", "The password is wrong"),
        (TokenRejected(), Unauthenticated, "token_rejected", "The token is not accepted"),
        (TokenExpired(), Unauthenticated, "token_expired", "The token has expired"),
        (TokenRevoked(), Unauthenticated, "token_revoked",
         "The session of this token has ended; log in again"),
        (TooManyApiTokens(), Conflict, "too_many_api_tokens",
         "An account has at most 50 API tokens; end one first"),
        (IdempotencyKeyReused(), Conflict, "idempotency_key_reused",
         "This Idempotency-Key was sent with another request; use a new one for each"),
        (IdempotencyKeyInUse(), Conflict, "idempotency_key_in_use",
         "The request with this Idempotency-Key is being carried out; try again in a second"),
        (ResponseNotKept(), Conflict, "response_not_kept",
         "This request was carried out already; its response contained a secret, and was not kept"),
        (ApiTokenNotFound(), NotFound, "api_token_not_found", "There is no such API token"),
        (ReadOnlyToken(), Forbidden, "read_only_token",
         "This API token may only read; make one with the scope write"),
        (SessionRequired(), Forbidden, "session_required",
         "API tokens may not do this; sign in instead"),
        (AdminsOnly(), Forbidden, "admins_only", "This is for admins only"),
        (ChangesExpired(), Conflict, "changes_expired",
         "What changed since this mark is no longer known: start again without since"),
        (ImportNotFound(), NotFound, "import_not_found", "There is no such import"),
        (ImportChanged(), Conflict, "import_changed",
         "The import was changed meanwhile: look at it again"),
        (ImportNotReady(ImportState.APPLYING), Conflict, "import_not_ready",
         "The import is applying; this cannot be done now"),
        (TooManyImports(), Conflict, "too_many_imports",
         "At most 20 imports are kept: delete one that you do not want to undo any more"),
        (NoSuchRows(tuple(range(1, 13))), Invalid, "validation_failed",
         "choices must name rows and films that there are, unlike 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        (UnknownScale(), Invalid, "validation_failed", "scale must be one of 5, 10, 20, 100"),
        (UnreadableRating("ten"), Invalid, "validation_failed", "'ten' is not a rating"),
        (UploadRefused(Refusal.EMPTY), Invalid, "validation_failed", "file must hold at least one row"),
        (HiddenListFull(), Conflict, "hidden_list_full", "At most 5,000 movies can be hidden"),
        (NoSource(), Unavailable, "no_source",
         "No credential for TMDB is configured: set TMDB_ACCESS_TOKEN or TMDB_API_KEY"),
        (AlreadyViewed(), Conflict, "already_viewed",
         "You have a viewing of this movie on that day already"),
        (DayOutOfRange(), Invalid, "validation_failed",
         "watched_on must be a day from 1888-01-01 until today"),
        (DiaryFull(), Conflict, "diary_full", "A diary holds at most 50,000 viewings"),
        (NotYourViewing(), Forbidden, "not_your_viewing", "The viewing is another user's"),
        (ViewingNotFound(), NotFound, "viewing_not_found", "There is no such viewing"),
        (InvalidText("note", "must be short"), Invalid, "validation_failed", "note must be short"),
        (CatalogueNotFilled(), Unavailable, "catalogue_not_filled", "No sync of movies was ever complete"),
        (NotProbedYet(), Unavailable, "source_unavailable", "The source of movies has not answered yet"),
        (ProbeFailed("KeyError"), Unavailable, "source_unavailable",
         "The source of movies could not be probed: unexpected KeyError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_an_error_has_a_kind_a_code_and_a_sentence(
    error: MatineeError, kind: type[MatineeError], code: str, sentence: str
) -> None:
    assert (isinstance(error, kind), error.code, str(error)) == (True, code, sentence)


def test_a_kind_has_a_code_of_its_own() -> None:
    assert {kind: kind.code for kind in KINDS} == KINDS
    assert MatineeError.code == "error"


@pytest.mark.parametrize(
    ("error", "faults"),
    [
        (AlreadyRated(), [("movie_id", FaultCode.ALREADY_EXISTS, "is a movie that you have rated already")]),
        (AlreadyListed(),
         [("movie_id", FaultCode.ALREADY_EXISTS, "is a movie that is on your watchlist already")]),
        (ScoreOutOfRange(0),
         [("rating", FaultCode.OUT_OF_RANGE, "must be between 1 and 10 in steps of 0.5")]),
        (EmailTaken(), [("email", FaultCode.TAKEN, "is taken")]),
        (UsernameTaken(), [("username", FaultCode.TAKEN, "is taken")]),
        (EmailAndUsernameTaken(),
         [("email", FaultCode.TAKEN, "is taken"), ("username", FaultCode.TAKEN, "is taken")]),
        (UnknownScale(), [("scale", FaultCode.NOT_ALLOWED, "must be one of 5, 10, 20, 100")]),
        (UploadRefused(Refusal.EMPTY), [("file", FaultCode.MALFORMED, "must hold at least one row")]),
        (UnknownPayload(),
         [("body", FaultCode.MALFORMED, "must be an event of Jellyfin, Plex, Emby or Kodi")]),
        (GenreChoiceMixed(),
         [("genre", FaultCode.CONFLICTING,
           "must be separated by commas (all of them) or by bars (any of them), not both")]),
        (AlreadyViewed(),
         [("watched_on", FaultCode.ALREADY_EXISTS,
           ("is a day on which you have seen this movie already; rewatch must be true for a second"
            " viewing"))]),
        (DayOutOfRange(),
         [("watched_on", FaultCode.OUT_OF_RANGE, "must be a day from 1888-01-01 until today")]),
        (InvalidText("note", "must be short", FaultCode.TOO_LONG),
         [("note", FaultCode.TOO_LONG, "must be short")]),
        (InvalidText("note", "must be clear"), [("note", FaultCode.MALFORMED, "must be clear")]),
        (NotYourRating(), []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_an_error_names_the_invalid_fields(
    error: MatineeError, faults: list[tuple[str, FaultCode, str]]
) -> None:
    assert [(fault.field, fault.code, fault.message) for fault in error.faults] == faults


def test_an_error_of_several_fields_has_a_sentence_for_each() -> None:
    faults = [
        Fault("limit", FaultCode.OUT_OF_RANGE, "must be from 1 to 100"),
        Fault("body", FaultCode.REQUIRED, "is missing", subject="The body"),
    ]
    error = InvalidFields(faults)
    assert str(error) == "limit must be from 1 to 100; The body is missing"
    assert error.sentences == ["limit must be from 1 to 100", "The body is missing"]
    assert UnknownPayload().sentences == ["the body must be an event of Jellyfin, Plex, Emby or Kodi"]
    assert NotYourRating().sentences == ["The rating is another user's"]
