"""Login, refresh and confirmation by password, with concurrent changes of the account."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from adapters import system
from adapters.security.passwords import Argon2PasswordHasher, ThreadedPasswordHasher
from adapters.security.tokens import JwtAccessTokens, SignedApiTokens, SignedRefreshTokens
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, fresh_id, noon, run_concurrently, valid_sessions
from application.accounts import (
    Authenticate,
    ChangePassword,
    ChangeProfile,
    ChangeUser,
    ConfirmPassword,
    CreateUser,
    DeleteAccount,
    DeleteUser,
    FindUser,
    ListUsers,
    LogIn,
    LogOut,
    Register,
    SessionIssuer,
    SignedIn,
    hash_secret,
)
from application.api_tokens import CreateApiToken
from application.invitations import CreateInvitation, ListInvitations, RemoveInvitation
from application.sessions import EndOtherSessions, EndSession
from domain.api_tokens import Scope
from domain.errors import FaultCode, InvalidFields, InvalidText
from domain.ids import ApiTokenId, SessionId, UserId
from domain.invitations import InvitationRejected, Registration
from domain.pagination import Window
from domain.ports import CacheInvalidation
from domain.users import (
    Caller,
    InvalidCredentials,
    PageLanguage,
    Role,
    TokenExpired,
    TokenRejected,
    TokenRevoked,
    User,
    UserNotFound,
    WrongPassword,
)
from entrypoints.cli import users as commands
from tests.stores import store_in_memory

SECRET = b"a secret of at least thirty-two bytes"
OLD, NEW = "correct horse", "battery staple"
WEAK = Argon2PasswordHasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
STRONG = Argon2PasswordHasher(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
LASTS, GRACE, ACCESS = timedelta(days=30), timedelta(seconds=10), timedelta(minutes=15)
MOMENT = timedelta(milliseconds=1)


@dataclass
class Interrupted:
    """A hasher that calls a function once, after it has verified a password."""

    what: Callable[[], object]
    hasher: Argon2PasswordHasher = STRONG
    verified: int = 0

    def hash(self, password: str) -> str:
        return self.hasher.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        right = self.hasher.verify(password_hash, password)
        self.verified += 1
        if self.verified == 1:
            self.what()
        return right

    def outdated(self, password_hash: str) -> bool:
        return self.hasher.outdated(password_hash)


@dataclass
class Place:
    """A store, a clock that can be set, and the use cases over both."""

    store: SqliteStore
    at: datetime = field(default_factory=lambda: noon(2))
    grace: timedelta = GRACE
    secret: bytes = SECRET
    invalidation: CacheInvalidation = field(default_factory=system.NoCache)

    def clock(self) -> datetime:
        return self.at

    @property
    def tokens(self) -> JwtAccessTokens:
        return JwtAccessTokens(secret=self.secret, lifetime=ACCESS, clock=self.clock)

    @property
    def sessions(self) -> SessionIssuer:
        return SessionIssuer(
            sessions=self.store.sessions,
            tokens=self.tokens,
            refresh_tokens=SignedRefreshTokens(self.secret),
            invalidation=self.invalidation,
            clock=self.clock,
            new_id=system.new_id,
            refresh_ttl=LASTS,
            refresh_grace=self.grace,
        )

    @property
    def authenticate(self) -> Authenticate:
        return Authenticate(
            tokens=self.tokens,
            sessions=self.store.sessions,
            api_tokens=self.store.api_tokens,
            api_token_texts=SignedApiTokens(self.secret),
            clock=self.clock,
        )

    def joined(self, hasher: Argon2PasswordHasher = STRONG) -> User:
        user = User(
            id=UserId(fresh_id()),
            username="ada",
            email="ada@example.org",
            password_hash=hasher.hash(OLD),
            created_at=self.at,
            updated_at=self.at,
        )
        self.store.users.add(user)
        return user

    def log_in(
        self,
        password: str = OLD,
        hasher: Any = STRONG,
        email: str = "ada@example.org",
        client: str | None = None,
    ) -> SignedIn:
        log_in = LogIn(
            users=self.store.users, hasher=hasher, session_issuer=self.sessions, decoy_hash=STRONG.hash("-")
        )
        return log_in(email=email, password=password, client=client)

    def caller(self, signed_in: SignedIn) -> Caller:
        return self.authenticate(access_token=signed_in.access_token).caller

    def change_password(self, caller: Caller, current: str, new: str, hasher: Any = STRONG) -> None:
        ChangePassword(
            users=self.store.users,
            confirm_password=ConfirmPassword(users=self.store.users, hasher=hasher),
            hasher=hasher,
            is_common=lambda _: False,
            invalidation=self.invalidation,
            clock=self.clock,
        )(caller=caller, current=current, new=new)

    def change_profile(self, hasher: Any = STRONG) -> ChangeProfile:
        confirm = ConfirmPassword(users=self.store.users, hasher=hasher)
        return ChangeProfile(
            users=self.store.users,
            confirm_password=confirm,
            invalidation=self.invalidation,
            clock=self.clock,
        )

    def delete(self, caller: Caller, password: str, hasher: Any = STRONG) -> None:
        confirm = ConfirmPassword(users=self.store.users, hasher=hasher)
        DeleteAccount(users=self.store.users, confirm_password=confirm, invalidation=self.invalidation)(
            caller=caller, password=password
        )

    def with_password(self, password: str, hasher: Argon2PasswordHasher = STRONG) -> Callable[[], User]:
        """A function that changes the password of the only user."""
        (user,) = self.store.users.page(1)
        return lambda: self.store.users.change(
            user.id, lambda stored: stored.with_changes(self.at, password_hash=hasher.hash(password))
        )


@pytest.fixture
def place() -> Iterator[Place]:
    store = store_in_memory(system.now)
    yield Place(store)
    store.close()


def session_of(signed_in: SignedIn) -> SessionId:
    return SessionId(signed_in.refresh_token.partition(".")[0])


def refused(place: Place, refresh_token: str) -> type[Exception] | None:
    try:
        place.sessions.refresh(refresh_token)
    except TokenRejected as error:
        return type(error)
    return None


def test_an_account_with_invalid_fields_is_refused_with_all_faults(place: Place) -> None:
    create = CreateUser(
        users=place.store.users,
        hasher=STRONG,
        is_common=lambda password: password == "common password",
        clock=place.clock,
        new_id=system.new_id,
    )
    with pytest.raises(InvalidFields) as caught:
        create(username="a b", email="nobody", password="common password")
    assert [(fault.field, fault.code) for fault in caught.value.faults] == [
        ("username", FaultCode.MALFORMED),
        ("email", FaultCode.MALFORMED),
        ("password", FaultCode.TOO_COMMON),
    ]
    with pytest.raises(InvalidFields, match="password"):
        create(username="ada", email="ada@example.org", password="short")
    with pytest.raises(InvitationRejected):
        create(username="ada", email="ada@example.org", password=OLD, code="nobody's code")
    assert place.store.users.count() == 0
    assert create(username="ada", email="ada@example.org", password=OLD).role is Role.USER
    eve = create(username="eve", email="eve@example.org", password=OLD, role=Role.ADMIN)
    assert place.store.users.get(eve.id).role is Role.ADMIN


def test_a_login_renews_an_outdated_hash_and_ends_no_session(place: Place) -> None:
    user = place.joined(WEAK)
    before = place.log_in(hasher=WEAK)
    place.log_in(hasher=STRONG, email=" ADA@example.org ")
    stored = place.store.users.get(user.id)
    assert STRONG.outdated(user.password_hash)
    assert not STRONG.outdated(stored.password_hash)
    assert STRONG.verify(stored.password_hash, OLD)
    place.caller(before)


def test_a_login_that_renews_a_hash_never_restores_an_old_password(place: Place) -> None:
    user = place.joined(WEAK)
    with pytest.raises(InvalidCredentials):
        place.log_in(OLD, Interrupted(place.with_password(NEW)))
    assert STRONG.verify(place.store.users.get(user.id).password_hash, NEW)
    place.log_in(NEW)
    with pytest.raises(InvalidCredentials):
        place.log_in(OLD)


@pytest.mark.parametrize("what", ["another password", "disabled", "gone"])
def test_a_login_fails_if_the_account_changes_while_it_is_verified(place: Place, what: str) -> None:
    user = place.joined()
    steps: dict[str, Callable[[], object]] = {
        "another password": place.with_password(NEW),
        "disabled": lambda: place.store.users.change(
            user.id, lambda stored: stored.with_changes(place.at, disabled=True)
        ),
        "gone": lambda: place.store.users.remove(user.id),
    }
    with pytest.raises(InvalidCredentials):
        place.log_in(OLD, Interrupted(steps[what]))
    assert place.store.sessions.active_users(place.at) == 0


def test_a_login_succeeds_if_another_renews_the_hash_meanwhile(place: Place) -> None:
    place.joined(WEAK)
    place.caller(place.log_in(OLD, Interrupted(place.with_password(OLD))))


def test_an_account_that_is_disabled_during_its_registration_is_not_signed_in(place: Place) -> None:
    create = CreateUser(
        users=place.store.users,
        hasher=STRONG,
        is_common=lambda _: False,
        clock=place.clock,
        new_id=system.new_id,
    )

    class Interfering:
        def begin(self, user: User, *, client: str | None) -> SignedIn | None:
            place.store.users.change(user.id, lambda stored: stored.with_changes(place.at, disabled=True))
            return place.sessions.begin(user, client=client)

    register = Register(
        create_user=create,
        session_issuer=Interfering(),  # type: ignore[arg-type]
        registration=Registration.OPEN,
    )
    with pytest.raises(InvalidCredentials):
        register(username="ada", email="ada@example.org", password=OLD)
    assert place.store.users.count() == 1


def test_a_session_names_the_client_that_began_it(place: Place) -> None:
    user = place.joined()
    place.log_in(client="Firefox (Linux)")
    (session,) = place.store.sessions.of_user(user.id, place.at, 9)
    assert session.client == "Firefox (Linux)"


def test_a_login_normalizes_the_unicode_of_an_address(place: Place) -> None:
    user = place.joined()
    place.store.users.change(
        user.id, lambda stored: stored.with_changes(place.at, email="caf\u00e9@example.org")
    )
    place.log_in(email="cafe\u0301@example.org")


def test_a_new_password_ends_all_sessions_but_the_callers(place: Place) -> None:
    place.joined()
    mine, other = place.log_in(), place.log_in()
    place.change_password(place.caller(mine), OLD, NEW)
    assert valid_sessions(place.store, session_of(mine), session_of(other)) == [session_of(mine)]
    with pytest.raises(TokenRevoked):
        place.caller(other)
    assert refused(place, other.refresh_token) is TokenRevoked


def test_the_second_of_two_concurrent_password_changes_needs_the_new_password(place: Place) -> None:
    user = place.joined()
    caller = place.caller(place.log_in())
    with pytest.raises(WrongPassword):
        place.change_password(caller, OLD, "another one", Interrupted(place.with_password(NEW)))
    assert STRONG.verify(place.store.users.get(user.id).password_hash, NEW)


def test_a_password_changes_even_if_a_login_renews_its_hash_meanwhile(place: Place) -> None:
    user = place.joined()
    caller = place.caller(place.log_in())
    place.change_password(caller, OLD, NEW, Interrupted(place.with_password(OLD)))
    assert STRONG.verify(place.store.users.get(user.id).password_hash, NEW)


def test_an_account_is_not_deleted_with_a_password_that_changed_meanwhile(place: Place) -> None:
    user = place.joined()
    caller = place.caller(place.log_in())
    with pytest.raises(WrongPassword):
        place.delete(caller, OLD, Interrupted(place.with_password(NEW)))
    place.store.users.get(user.id)
    place.delete(place.caller(place.log_in(NEW)), NEW, Interrupted(place.with_password(NEW)))
    with pytest.raises(UserNotFound):
        place.store.users.get(user.id)


def test_another_address_needs_the_password_and_the_same_one_does_not(place: Place) -> None:
    place.joined()
    caller, change = place.caller(place.log_in()), place.change_profile()
    with pytest.raises(InvalidText, match="current_password is required to change the e-mail address"):
        change(caller=caller, email="eva@example.org", username="eva")
    with pytest.raises(InvalidText, match="current_password is required"):
        change(caller=caller, email="ADA@example.org")
    with pytest.raises(WrongPassword):
        change(caller=caller, email="eva@example.org", password=NEW)
    assert place.store.users.get(caller.user.id) == caller.user
    assert change(caller=caller, email=" ada@example.org", username="ada2").username == "ada2"
    changed = change(caller=caller, email="eva@example.org", password=OLD)
    assert (changed.email, changed.username) == ("eva@example.org", "ada2")
    both = change(caller=caller, email="eve@example.org", username="eve", password=OLD)
    assert (both.email, both.username) == ("eve@example.org", "eve")


def test_the_fault_of_a_weak_password_names_its_field(place: Place) -> None:
    user = place.joined()
    caller = place.caller(place.log_in())
    parts: dict[str, Any] = {"users": place.store.users, "hasher": STRONG, "clock": place.clock}
    parts["is_common"] = lambda password: password == "common password"
    confirm = ConfirmPassword(users=place.store.users, hasher=STRONG)
    create = CreateUser(**parts, new_id=system.new_id)
    register = Register(create_user=create, session_issuer=place.sessions, registration=Registration.OPEN)
    parts["invalidation"] = system.NoCache()
    change, change_mine = ChangeUser(**parts), ChangePassword(**parts, confirm_password=confirm)
    for faults_in, name in (
        (create.faults, "password"),
        (register.faults, "password"),
        (change.faults, "password"),
        (change_mine.faults, "new_password"),
    ):
        for weak, code in (("short", FaultCode.TOO_SHORT), ("common password", FaultCode.TOO_COMMON)):
            assert [(fault.field, fault.code) for fault in faults_in({name: weak})] == [(name, code)]
        assert not faults_in({name: NEW})
        assert not faults_in({name: 7})
        assert not faults_in({})
    for weak in ("short", "common password"):
        with pytest.raises(InvalidText) as mine:
            change_mine(caller=caller, current=OLD, new=weak)
        with pytest.raises(InvalidText) as theirs:
            change(user=user.id, password=weak)
        assert (mine.value.field, theirs.value.field) == ("new_password", "password")
    place.log_in(OLD)


def test_the_only_fault_of_a_profile_change_is_a_missing_password_for_a_new_address(place: Place) -> None:
    place.joined()
    caller, change = place.caller(place.log_in()), place.change_profile()
    (fault,) = change.faults(caller, {"email": "eva@example.org"})
    assert (fault.field, fault.code) == ("current_password", FaultCode.REQUIRED)
    assert not change.faults(caller, {"email": "eva@example.org", "current_password": OLD})
    assert not change.faults(caller, {"email": " ada@example.org"})
    assert not change.faults(caller, {"username": "eva"})


def test_an_account_is_found_by_its_address_in_any_case_and_composition(place: Place) -> None:
    find = FindUser(users=place.store.users)
    with pytest.raises(UserNotFound):
        find(email="ada@example.org")
    user = place.joined()
    assert find(email=" ADA@example.org") == user


def test_an_admin_changes_only_the_given_fields(place: Place) -> None:
    user = place.joined()
    change = ChangeUser(
        users=place.store.users,
        hasher=STRONG,
        is_common=lambda _: False,
        invalidation=system.NoCache(),
        clock=place.clock,
    )
    assert change(user=user.id) == user
    promoted = change(user=user.id, role=Role.ADMIN)
    assert promoted == replace(user, role=Role.ADMIN)
    demoted = change(user=add_user(place.store).id, disabled=True)
    assert (demoted.disabled, demoted.role) == (True, Role.USER)
    renewed = change(user=user.id, password=NEW)
    assert STRONG.verify(renewed.password_hash, NEW)
    assert renewed == replace(promoted, password_hash=renewed.password_hash)


def test_accounts_are_listed_by_cursor(place: Place) -> None:
    people = [place.joined(), add_user(place.store, "bob"), add_user(place.store, "eve")]
    show = ListUsers(users=place.store.users)
    shown: list[User] = []
    window = Window(limit=1)
    while (page := show(window=window)).rows:
        assert (page.total, page.more) == (3, len(shown) < 2)
        shown += page.rows
        window = Window(limit=1, cursor=page.rows[-1].cursor)
    assert {user.id for user in shown} == {user.id for user in people}
    assert len(shown) == 3


def test_the_command_lists_the_accounts_of_all_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [place.joined(), add_user(place.store, "bob"), add_user(place.store, "eve")]
    for size in (1, 2, 3):
        monkeypatch.setattr(commands, "PAGE_SIZE", size)
        listed = list(commands._all_accounts(ListUsers(users=place.store.users)))
        assert len(listed) == 3
        assert {user.id for user in listed} == {user.id for user in people}


def test_an_invitation_is_for_one_account_within_a_week_by_default(place: Place) -> None:
    kept = place.store.invitations
    made = CreateInvitation(
        invitations=kept, clock=place.clock, new_id=system.new_id, new_secret=lambda: "code"
    )
    show, revoke = ListInvitations(invitations=kept), RemoveInvitation(invitations=kept)
    usual, code = made()
    assert (code, usual.code_hash) == ("code", hash_secret("code"))
    assert (usual.uses, usual.remaining, usual.created_at) == (1, 1, place.at)
    assert usual.expires_at - usual.created_at == timedelta(days=7)
    place.at += MOMENT
    longer, _ = replace(made, new_secret=lambda: "another")(valid_for=timedelta(days=30), uses=5)
    assert (longer.uses, longer.remaining) == (5, 5)
    assert longer.expires_at - longer.created_at == timedelta(days=30)
    first = show(window=Window(limit=1))
    assert (first.rows, first.more, first.total) == ((longer,), True, 2)
    assert show(window=Window(limit=1, cursor=longer.cursor)).rows == (usual,)
    revoke(invitation=usual.id)
    assert show(window=Window()).rows == (longer,)


def test_an_unknown_invitation_is_rejected(place: Place) -> None:
    create = CreateUser(
        users=place.store.users,
        hasher=STRONG,
        is_common=lambda _: False,
        clock=place.clock,
        new_id=system.new_id,
    )
    register = Register(create_user=create, session_issuer=place.sessions, registration=Registration.INVITE)
    with pytest.raises(InvitationRejected):
        register(username="ada", email="ada@example.org", password=OLD, invitation="nobody's")
    assert place.store.users.count() == 0


def test_a_given_password_is_verified_whichever_field_changes(place: Place) -> None:
    place.joined()
    caller = place.caller(place.log_in())
    with pytest.raises(WrongPassword):
        place.change_profile()(caller=caller, username="ada2", password=NEW)


def test_the_language_of_the_pages_changes_with_or_without_a_password(place: Place) -> None:
    place.joined()
    caller, change = place.caller(place.log_in()), place.change_profile()
    for language, password in ((PageLanguage.GERMAN, OLD), (PageLanguage.ENGLISH, None), (None, OLD)):
        assert change(caller=caller, language=language, password=password).language == language


def test_an_address_does_not_change_with_a_password_that_changed_meanwhile(place: Place) -> None:
    user = place.joined()
    caller = place.caller(place.log_in())
    with pytest.raises(WrongPassword):
        place.change_profile(Interrupted(place.with_password(NEW)))(
            caller=caller, email="thief@example.org", password=OLD
        )
    assert place.store.users.get(user.id).email == "ada@example.org"
    caller, change = (
        place.caller(place.log_in(NEW)),
        place.change_profile(Interrupted(place.with_password(NEW))),
    )
    assert change(caller=caller, email="eva@example.org", password=NEW).email == "eva@example.org"


def test_a_refresh_token_works_once_and_again_within_the_grace_period(place: Place) -> None:
    place.joined()
    first = place.log_in()
    second = place.sessions.refresh(first.refresh_token)
    place.at += GRACE - MOMENT
    third = place.sessions.refresh(first.refresh_token)
    assert len({each.refresh_token for each in (first, second, third)}) == 3
    place.at += timedelta(days=1)
    for each in (second, third):
        assert place.caller(place.sessions.refresh(each.refresh_token)).session == session_of(first)


def test_after_the_grace_period_a_used_token_ends_the_session(place: Place) -> None:
    place.joined()
    first, elsewhere = place.log_in(), place.log_in()
    second = place.sessions.refresh(first.refresh_token)
    third = place.sessions.refresh(first.refresh_token)
    place.at += GRACE
    assert refused(place, first.refresh_token) is TokenRevoked
    for each in (first, second, third):
        assert refused(place, each.refresh_token) is TokenRevoked
        with pytest.raises(TokenRevoked):
            place.caller(each)
    place.caller(elsewhere)


def test_a_token_used_many_exchanges_ago_ends_the_session(place: Place) -> None:
    place.joined()
    first = latest = place.log_in()
    for _ in range(50):
        place.at += GRACE
        latest = place.sessions.refresh(latest.refresh_token)
    assert refused(place, first.refresh_token) is TokenRevoked
    assert refused(place, latest.refresh_token) is TokenRevoked


def test_two_concurrent_refreshes_with_one_token_both_succeed(place: Place) -> None:
    place.joined()
    first = place.log_in()
    tabs = run_concurrently([lambda: place.sessions.refresh(first.refresh_token)] * 8)
    assert len({each.refresh_token for each in tabs}) == 8
    place.at += timedelta(days=2)
    for each in tabs:
        place.sessions.refresh(each.refresh_token)


def test_without_a_grace_period_one_of_two_concurrent_refreshes_ends_the_session(place: Place) -> None:
    place.joined()
    first = place.log_in()
    place.grace = timedelta(0)
    tabs = run_concurrently([lambda: place.sessions.refresh(first.refresh_token)] * 4)
    won = [each for each in tabs if isinstance(each, SignedIn)]
    assert len(won) <= 1  # none if the session ended before the first request was answered
    assert sum(isinstance(each, TokenRevoked) for each in tabs) == 4 - len(won)
    for each in (first, *won):
        assert refused(place, each.refresh_token) is TokenRevoked


def forgeries(token: str) -> list[str]:
    session, end, nonce, signature = token.split(".")
    return [
        f"{session}.garbage",
        f"{session}.",
        f"{session}..",
        f"{session}.{end}.{nonce}",
        f"{session}.{end}.{nonce}.",
        f"{session}.{end}.{nonce}.{signature}x",
        f"{session}.{end}.{nonce}.{signature[:-1]}",
        f"{session}.{end}.{nonce[:-1]}.{signature}",
        f"{session}.{int(end) + 1}.{nonce}.{signature}",
        f"{session}.-1.{nonce}.{signature}",
        f"{session}.x.{nonce}.{signature}",
        f"{session}.{end}.{nonce}.\xe9\ud800",
        f"{session}.{end}.\ud800.{signature}",
        f"{session}.{end}.{nonce}.{signature}.",
        f" {token}",
        f"{token}\n",
        token.upper(),
        "",
        ".",
        "." * 9000,
        session,
        f"{session}." + "x" * 9000,
        "\u0661" * 24 + f".{end}.{nonce}.{signature}",
    ]


def test_a_forged_refresh_token_is_refused_and_ends_no_session(place: Place) -> None:
    place.joined()
    signed_in = place.log_in()
    for forged in forgeries(signed_in.refresh_token):
        assert refused(place, forged) is TokenRejected, forged
    place.caller(signed_in)
    place.sessions.refresh(signed_in.refresh_token)


def test_a_token_of_another_session_is_rejected(place: Place) -> None:
    place.joined()
    mine, other = place.log_in(), place.log_in()
    swapped = f"{session_of(mine)}.{other.refresh_token.partition('.')[2]}"
    assert refused(place, swapped) is TokenRejected
    place.caller(mine)
    place.caller(other)


def test_access_tokens_and_refresh_tokens_are_not_interchangeable(place: Place) -> None:
    place.joined()
    signed_in = place.log_in()
    assert refused(place, signed_in.access_token) is TokenRejected
    with pytest.raises(TokenRejected):
        place.authenticate(access_token=signed_in.refresh_token)


def test_an_api_token_is_valid_until_it_expires(place: Place) -> None:
    place.joined()
    create = CreateApiToken(
        api_tokens=place.store.api_tokens,
        texts=SignedApiTokens(SECRET),
        clock=place.clock,
        new_id=system.new_id,
    )
    token: dict[str, Any] = {"caller": place.caller(place.log_in()), "name": "Player", "scope": Scope.READ}
    _, endless = create(**token)
    _, limited = create(**token, valid_for=timedelta(days=1))
    place.at += timedelta(hours=1)
    assert place.authenticate(access_token=limited).valid_for == timedelta(hours=23)
    place.at += timedelta(hours=23)
    with pytest.raises(TokenExpired):
        place.authenticate(access_token=limited)
    assert place.authenticate(access_token=endless).valid_for == timedelta.max


def test_an_expired_refresh_token_ends_no_session(place: Place) -> None:
    place.joined()
    first = place.log_in()
    second = place.sessions.refresh(first.refresh_token)
    place.at += LASTS - MOMENT
    third = place.sessions.refresh(second.refresh_token)
    place.at += MOMENT
    assert refused(place, first.refresh_token) is TokenExpired
    assert refused(place, second.refresh_token) is TokenExpired
    place.sessions.refresh(third.refresh_token)


def test_the_token_of_an_ended_session_is_revoked_until_it_expires(place: Place) -> None:
    place.joined()
    signed_in = place.log_in()
    place.store.sessions.remove(session_of(signed_in))
    assert refused(place, signed_in.refresh_token) is TokenRevoked
    assert refused(place, f"{signed_in.refresh_token}x") is TokenRejected
    with pytest.raises(TokenRevoked):
        place.caller(signed_in)
    place.at += ACCESS
    with pytest.raises(TokenExpired):
        place.caller(signed_in)
    place.at += LASTS - ACCESS
    assert refused(place, signed_in.refresh_token) is TokenExpired


def test_the_refresh_token_of_a_disabled_or_deleted_user_is_revoked(place: Place) -> None:
    user = place.joined()
    signed_in = place.log_in()
    with place.store.database.writing() as connection:  # not by the repository, which would end the session
        connection.execute("UPDATE users SET disabled = 1 WHERE id = ?", (user.id,))
    assert refused(place, signed_in.refresh_token) is TokenRevoked


def test_with_another_secret_sessions_continue_without_reuse_detection(place: Place) -> None:
    place.joined()
    first = place.log_in()
    second = place.sessions.refresh(first.refresh_token)
    place.at += GRACE
    second = place.sessions.refresh(second.refresh_token)
    place.secret = b"another secret of thirty-two bytes or more"
    assert refused(place, first.refresh_token) is TokenRejected
    third = place.sessions.refresh(second.refresh_token)
    place.caller(third)
    place.sessions.refresh(second.refresh_token)
    place.at += GRACE
    assert refused(place, second.refresh_token) is TokenRevoked
    assert refused(place, third.refresh_token) is TokenRevoked


def test_a_threaded_hasher_returns_the_results_of_its_hasher() -> None:
    hasher = ThreadedPasswordHasher(STRONG, threads=1)
    made = hasher.hash(OLD)
    assert hasher.verify(made, OLD)
    assert not hasher.verify(made, NEW)
    assert STRONG.verify(made, OLD)
    assert hasher.outdated(WEAK.hash(OLD))
    assert not hasher.outdated(made)
    assert ThreadedPasswordHasher().outdated(made)


class CopiesSeen(system.NoCache):
    """Records what is invalidated, and who still calls by the session that a test watches at that moment."""

    def __init__(self, store: SqliteStore, session: SessionId) -> None:
        self.store, self.session_id = store, session
        self.seen: list[tuple[str, User | None]] = []

    @contextmanager
    def _changed(self, tag: str) -> Iterator[None]:
        yield
        caller = self.store.sessions.caller(self.session_id, noon(2))
        self.seen.append((tag, caller.user if caller else None))

    def user(self, user: UserId) -> AbstractContextManager[None]:
        return self._changed(user)

    def session(self, session: SessionId | ApiTokenId) -> AbstractContextManager[None]:
        return self._changed(session)

    def all(self) -> AbstractContextManager[None]:
        return self._changed("all")


@dataclass
class SignedInPlace:
    """A place where the only user is signed in twice, and what was invalidated since then."""

    place: Place
    signed_in: SignedIn
    caller: Caller
    other: Caller
    copies: CopiesSeen


@pytest.fixture
def signed_in_place(place: Place) -> SignedInPlace:
    place.joined()
    signed_in, other = place.log_in(), place.log_in()
    copies = CopiesSeen(place.store, session_of(signed_in))
    place.invalidation = copies
    return SignedInPlace(place, signed_in, place.caller(signed_in), place.caller(other), copies)


def test_copies_of_a_session_are_invalidated_after_it_has_ended(signed_in_place: SignedInPlace) -> None:
    here = signed_in_place
    LogOut(sessions=here.place.store.sessions, invalidation=here.copies)(caller=here.caller)
    assert here.copies.seen == [(here.caller.session, None)]


def test_copies_of_a_session_are_invalidated_after_another_session_has_ended_it(
    signed_in_place: SignedInPlace,
) -> None:
    here = signed_in_place
    session = here.caller.required_session()
    end = EndSession(sessions=here.place.store.sessions, invalidation=here.copies)
    end(user=here.other.user, session=session)
    assert here.copies.seen == [(session, None)]


def test_copies_of_an_account_are_invalidated_after_all_other_sessions_have_ended(
    signed_in_place: SignedInPlace,
) -> None:
    here = signed_in_place
    EndOtherSessions(sessions=here.place.store.sessions, invalidation=here.copies)(caller=here.other)
    assert here.copies.seen == [(here.caller.user.id, None)]


def test_copies_of_a_session_are_invalidated_after_a_reused_token_has_ended_it(
    signed_in_place: SignedInPlace,
) -> None:
    here = signed_in_place
    here.place.grace = timedelta(0)
    here.place.sessions.refresh(here.signed_in.refresh_token)
    with pytest.raises(TokenRevoked):
        here.place.sessions.refresh(here.signed_in.refresh_token)
    assert here.copies.seen[-1] == (here.caller.session, None)


@pytest.mark.parametrize("password", [None, OLD])
def test_copies_of_an_account_are_invalidated_after_its_name_has_changed(
    signed_in_place: SignedInPlace, password: str | None
) -> None:
    here = signed_in_place
    after = here.place.change_profile()(caller=here.caller, username="lovelace", password=password)
    assert here.copies.seen == [(here.caller.user.id, after)]


def test_copies_of_an_account_are_invalidated_after_its_other_sessions_have_ended(
    signed_in_place: SignedInPlace,
) -> None:
    here = signed_in_place
    here.place.change_password(here.other, OLD, NEW)
    assert here.copies.seen == [(here.caller.user.id, None)]


def test_copies_of_an_account_are_invalidated_after_an_admin_has_disabled_it(
    signed_in_place: SignedInPlace,
) -> None:
    here = signed_in_place
    change = ChangeUser(
        users=here.place.store.users,
        hasher=STRONG,
        is_common=lambda _: False,
        invalidation=here.copies,
        clock=here.place.clock,
    )
    change(user=here.caller.user.id, disabled=True)
    assert here.copies.seen == [(here.caller.user.id, None)]


@pytest.mark.parametrize("by_an_admin", [True, False])
def test_copies_of_an_account_and_of_movies_are_invalidated_after_it_was_deleted(
    signed_in_place: SignedInPlace, by_an_admin: bool
) -> None:
    here = signed_in_place
    if by_an_admin:
        DeleteUser(users=here.place.store.users, invalidation=here.copies)(user=here.caller.user.id)
    else:
        here.place.delete(here.caller, OLD)
    assert here.copies.seen == [(here.caller.user.id, None), ("all", None)]
