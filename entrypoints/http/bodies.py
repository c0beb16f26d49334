"""What comes in over the wire, and what its fields come to in the words of the domain.

A field's bounds, the words that state them and its description stand together; validation and documentation
both read them here. Rules that JSON Schema cannot state are the domain's own (`fits`).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from msgspec import UNSET, UnsetType

from domain import users
from domain.ids import MovieRef, movie_ref
from domain.movies import MovieNotFound
from domain.ratings import Score, ScoreOutOfRange
from domain.texts import KEPT, LONGEST_TEXT, Kept, written
from domain.users import LONGEST_EMAIL, LONGEST_PASSWORD, SHORTEST_PASSWORD, Role
from entrypoints.checking import rule
from entrypoints.http.queries import known
from entrypoints.http.reading import Body, Change


def _password(field: str) -> Callable[[str], str]:
    """The rule of a chosen password, but for whether it is common: only the use case knows."""
    return partial(users.password, common=False, field=field)


LENGTHS = {"minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD}

Username = Annotated[
    str,
    rule(
        "must be text",
        fits=users.username,
        description="3 to 30 letters, digits, `_`, `.` or `-`; nobody else's in any case.",
        examples=["trinity"],
        extra_json_schema={"pattern": "^[A-Za-z0-9_.-]{3,30}$"},
    ),
]
Email = Annotated[
    str,
    rule(
        "must be text",
        fits=users.email,
        description="Nobody else's in any case.",
        examples=["trinity@example.com"],
        extra_json_schema={"format": "email", "maxLength": LONGEST_EMAIL},
    ),
]
Password = Annotated[
    str,
    rule(
        "must be text",
        fits=_password("password"),
        description="Any characters; none of the most common passwords.",
        examples=["follow the white rabbit"],
        extra_json_schema=LENGTHS,
    ),
]
NewPassword = Annotated[
    str,
    rule(
        "must be text",
        fits=_password("new_password"),
        description="Any characters; none of the most common passwords.",
        examples=["there is no spoon"],
        extra_json_schema=LENGTHS,
    ),
]
KnownEmail = Annotated[
    str, rule("must be text", description="In any case.", examples=["trinity@example.com"])
]
KnownPassword = Annotated[str, rule("must be text", examples=["follow the white rabbit"])]
RefreshToken = Annotated[
    str,
    rule(
        "must be text",
        description="From the last login or refresh. It works once; a second use ends the session.",
        examples=["8e7b1c04d9b44b6f9a2d3c51.Zk3v0cXb5J1nQe8y"],
    ),
]
MovieName = Annotated[
    str | int,
    rule(
        "must be text: our id, TMDB's number or the IMDb id of a movie",
        description='Our id, TMDB\'s number (`"603"` or `603`) or the IMDb id (`"tt0133093"`).',
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
        description="Plain text; null for none.",
        examples=["Whoa."],
        extra_json_schema={"maxLength": LONGEST_TEXT},
    ),
]
Note = Annotated[
    str,
    rule(
        "must be text or null",
        fits=partial(written, "note"),
        description="Plain text; null for none.",
        examples=["With the children"],
        extra_json_schema={"maxLength": LONGEST_TEXT},
    ),
]
Favorite = Annotated[bool, rule("must be true or false", description="A favourite or not.", examples=[True])]
Disabled = Annotated[
    bool,
    rule("must be true or false", description="Kept from signing in; all its sessions end.", examples=[True]),
]
Repair = Annotated[
    bool, rule("must be true or false", description="Set right what differs.", examples=[False])
]
RoleName = Annotated[Role, rule(f"must be {' or '.join(Role)}", examples=["admin"])]


class RegisterIn(Body, frozen=True, kw_only=True):
    """An account to make."""

    username: Username
    email: Email
    password: Password


class LoginIn(Body, frozen=True, kw_only=True):
    """Who says to be whom."""

    email: KnownEmail
    password: KnownPassword


class RefreshIn(Body, frozen=True, kw_only=True):
    """A session to go on with."""

    refresh_token: RefreshToken


class ProfileIn(Change, frozen=True, kw_only=True):
    """What to change of one's account."""

    username: Username | UnsetType = UNSET
    email: Email | UnsetType = UNSET


class PasswordIn(Body, frozen=True, kw_only=True):
    """Another password, and the proof that it may be chosen."""

    current_password: KnownPassword
    new_password: NewPassword


class GoodbyeIn(Body, frozen=True, kw_only=True):
    """The proof that an account may be deleted."""

    password: KnownPassword


class UserIn(Change, frozen=True, kw_only=True):
    """What an admin changes of an account."""

    role: RoleName | UnsetType = UNSET
    disabled: Disabled | UnsetType = UNSET


class VerifyIn(Body, frozen=True, kw_only=True):
    """What to do about tallies that differ from a recount."""

    repair: Repair = False


class ScoreIn(Body, frozen=True, kw_only=True):
    """A rating of the movie in the path; it replaces one that is there, review and all."""

    rating: Points
    review: Review | None = None

    @property
    def score(self) -> Score:
        """The score given."""
        return Score.of(self.rating)


class RatingIn(ScoreIn, frozen=True, kw_only=True):
    """A first rating of a movie."""

    movie_id: MovieName

    @property
    def movie(self) -> MovieRef:
        """The movie meant. Raises MovieNotFound."""
        return movie_named(self.movie_id)


class RatingChangeIn(Change, frozen=True, kw_only=True):
    """What to change of a rating; a review of null is removed."""

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
    """How the movie in the path is to be listed; it replaces an item that is there, note and all."""

    is_favorite: Favorite = False
    note: Note | None = None


class ItemIn(PlaceIn, frozen=True, kw_only=True):
    """A movie for the watchlist."""

    movie_id: MovieName

    @property
    def movie(self) -> MovieRef:
        """The movie meant. Raises MovieNotFound."""
        return movie_named(self.movie_id)


class ItemChangeIn(Change, frozen=True, kw_only=True):
    """What to change of a watchlist item; a note of null is removed."""

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
