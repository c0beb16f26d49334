"""What comes in over the wire, and what its fields come to in the words of the domain.

A field's bounds, the words that state them and its description stand together; validation and documentation
both read them here. Rules that JSON Schema cannot state are the domain's own (`fits`).
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, ClassVar

from msgspec import UNSET, UnsetType

from domain import emails, users
from domain.emails import LONGEST_EMAIL
from domain.ids import MovieRef, movie_ref
from domain.invitations import LONGEST_VALIDITY, MOST_USES, SHORTEST_VALIDITY
from domain.movies import MovieNotFound
from domain.ratings import Score, ScoreOutOfRange
from domain.texts import KEPT, LONGEST_TEXT, Kept, written
from domain.users import LONGEST_PASSWORD, SHORTEST_PASSWORD, Role
from entrypoints.durations import parse_duration
from entrypoints.http.queries import known
from entrypoints.http.reading import Body, Change
from entrypoints.validation import rule

VALID_FOR_RULE = "must be 60 to 31536000 seconds, or a duration up to a year such as 15m, 12h or 7d"


def valid_for(given: int | str) -> timedelta:
    """A number of seconds, or a duration such as `7d`. Raises ValueError outside of what is allowed."""
    try:
        seconds = parse_duration(given).total_seconds() if isinstance(given, str) else given
    except ValueError:
        raise ValueError(VALID_FOR_RULE) from None
    if not SHORTEST_VALIDITY.total_seconds() <= seconds <= LONGEST_VALIDITY.total_seconds():
        raise ValueError(VALID_FOR_RULE)
    return timedelta(seconds=seconds)


def _password(field: str) -> Callable[[str], str]:
    """The rule of a chosen password, but for whether it is common: only the use case knows."""
    return partial(users.password, common=False, field=field)


LENGTHS = {"minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD}

Username = Annotated[
    str,
    rule(
        "must be text",
        fits=users.username,
        description="3 to 30 letters, digits, `_`, `.` or `-`. No other account has it, in any case.",
        examples=["trinity"],
        extra_json_schema={"pattern": "^[A-Za-z0-9_.-]{3,30}$"},
    ),
]
Email = Annotated[
    str,
    rule(
        "must be text",
        fits=emails.email,
        description="An address that no other account has, in any case.",
        examples=["trinity@example.com"],
        extra_json_schema={"format": "email", "maxLength": LONGEST_EMAIL},
    ),
]
Password = Annotated[
    str,
    rule(
        "must be text",
        fits=_password("password"),
        description="8 to 128 characters; not one of the most common passwords.",
        examples=["follow the white rabbit"],
        extra_json_schema=LENGTHS,
    ),
]
NewPassword = Annotated[
    str,
    rule(
        "must be text",
        fits=_password("new_password"),
        description="8 to 128 characters; not one of the most common passwords.",
        examples=["there is no spoon"],
        extra_json_schema=LENGTHS,
    ),
]
KnownEmail = Annotated[
    str, rule("must be text", description="The address of the account.", examples=["trinity@example.com"])
]
KnownPassword = Annotated[
    str, rule("must be text", description="The current password.", examples=["follow the white rabbit"])
]
RefreshToken = Annotated[
    str,
    rule(
        "must be text",
        description="From the last login or refresh. It works once.",
        examples=["8e7b1c04d9b44b6f9a2d3c51.1798761600000.Zk3v0cXb5J1nQe8y.q1hVw0z3"],
    ),
]
MovieName = Annotated[
    str | int,
    rule(
        "must be text: our id, TMDB's number or the IMDb id of a movie",
        description='Our id, the TMDB number (`"603"` or `603`) or the IMDb id (`"tt0133093"`).',
        examples=["603"],
    ),
]
Points = Annotated[
    float,
    rule(
        ScoreOutOfRange.rule,
        ge=1,
        le=10,
        multiple_of=0.5,
        description="1 to 10 in steps of 0.5.",
        examples=[8.5],
    ),
]
Review = Annotated[
    str,
    rule(
        "must be text or null",
        fits=partial(written, "review"),
        description="Plain text, at most 2,000 characters. Null for none.",
        examples=["Whoa."],
        extra_json_schema={"maxLength": LONGEST_TEXT},
    ),
]
Note = Annotated[
    str,
    rule(
        "must be text or null",
        fits=partial(written, "note"),
        description="Plain text, at most 2,000 characters. Null for none.",
        examples=["With the children"],
        extra_json_schema={"maxLength": LONGEST_TEXT},
    ),
]
Favorite = Annotated[
    bool, rule("must be true or false", description="Whether to mark it as a favourite.", examples=[True])
]
Disabled = Annotated[
    bool,
    rule("must be true or false", description="Whether the account cannot log in.", examples=[True]),
]
Repair = Annotated[
    bool,
    rule(
        "must be true or false",
        description="Whether to correct wrong counts. False if left out.",
        examples=[False],
    ),
]
InvitationCode = Annotated[
    str,
    rule(
        "must be text",
        description="The code of an invitation, where registration needs one. Null for none.",
        examples=["Zk3v0cXb5J1nQe8yq1hVw0z3"],
    ),
]
ValidFor = Annotated[
    int | str,
    rule(
        VALID_FOR_RULE,
        fits=valid_for,
        description="How long the code is valid: seconds, or a duration such as `12h` or `7d`.",
        examples=["7d"],
    ),
]
Uses = Annotated[
    int,
    rule(
        f"must be a whole number from 1 to {MOST_USES}",
        ge=1,
        le=MOST_USES,
        description="How many accounts the code can make.",
        examples=[1],
    ),
]
RoleName = Annotated[
    Role, rule(f"must be {' or '.join(Role)}", description="What the account may do.", examples=["admin"])
]


class RegisterIn(Body, frozen=True, kw_only=True):
    """A new account."""

    username: Username
    email: Email
    password: Password
    invitation: InvitationCode | None = None


class LoginIn(Body, frozen=True, kw_only=True):
    """The e-mail address and the password of an account."""

    email: KnownEmail
    password: KnownPassword


class RefreshIn(Body, frozen=True, kw_only=True):
    """The refresh token of a session."""

    refresh_token: RefreshToken


class ProfileIn(Change, frozen=True, kw_only=True):
    """The fields of your account to change; at least one. A new e-mail address needs the current password."""

    username: Username | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    current_password: KnownPassword | UnsetType = UNSET

    unchanging: ClassVar[frozenset[str]] = frozenset({"current_password"})


class PasswordIn(Body, frozen=True, kw_only=True):
    """Your current password and the new one."""

    current_password: KnownPassword
    new_password: NewPassword


class GoodbyeIn(Body, frozen=True, kw_only=True):
    """Your password, to confirm."""

    password: KnownPassword


class UserIn(Change, frozen=True, kw_only=True):
    """The fields of an account to change; at least one."""

    role: RoleName | UnsetType = UNSET
    disabled: Disabled | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class InvitationIn(Body, frozen=True, kw_only=True):
    """What an invitation is good for."""

    expires_in: ValidFor = "7d"
    uses: Uses = 1

    @property
    def valid_for(self) -> timedelta:
        """How long the code is valid."""
        return valid_for(self.expires_in)


class VerifyIn(Body, frozen=True, kw_only=True):
    """What to do about wrong counts."""

    repair: Repair = False


class ScoreIn(Body, frozen=True, kw_only=True):
    """Your rating of the movie. It replaces an earlier one, with its review."""

    rating: Points
    review: Review | None = None

    @property
    def score(self) -> Score:
        """The score given."""
        return Score.of(self.rating)


class RatingIn(ScoreIn, frozen=True, kw_only=True):
    """A movie and your rating of it."""

    movie_id: MovieName

    @property
    def movie(self) -> MovieRef:
        """The movie meant. Raises MovieNotFound."""
        return movie_named(self.movie_id)


class RatingChangeIn(Change, frozen=True, kw_only=True):
    """The fields of a rating to change; at least one. A review of null is removed."""

    rating: Points | UnsetType = UNSET
    review: Review | UnsetType | None = UNSET

    @property
    def score(self) -> Score | None:
        """The score given, if one is."""
        return None if isinstance(self.rating, UnsetType) else Score.of(self.rating)

    @property
    def new_review(self) -> str | Kept | None:
        """The review given, if one is."""
        return KEPT if isinstance(self.review, UnsetType) else self.review


class PlaceIn(Body, frozen=True, kw_only=True):
    """The item of the movie. It replaces an earlier one, with its note."""

    is_favorite: Favorite = False
    note: Note | None = None


class ItemIn(PlaceIn, frozen=True, kw_only=True):
    """A movie to add to your watchlist."""

    movie_id: MovieName

    @property
    def movie(self) -> MovieRef:
        """The movie meant. Raises MovieNotFound."""
        return movie_named(self.movie_id)


class ItemChangeIn(Change, frozen=True, kw_only=True):
    """The fields of a watchlist item to change; at least one. A note of null is removed."""

    is_favorite: Favorite | UnsetType = UNSET
    note: Note | UnsetType | None = UNSET

    @property
    def mark(self) -> bool | None:
        """The favourite mark given, if one is."""
        return known(self.is_favorite)

    @property
    def new_note(self) -> str | Kept | None:
        """The note given, if one is."""
        return KEPT if isinstance(self.note, UnsetType) else self.note


def movie_named(name: str | int) -> MovieRef:
    """The movie that a client names. Raises MovieNotFound for what is no movie's name."""
    ref = movie_ref(str(name))
    if ref is None:
        raise MovieNotFound(name)
    return ref
