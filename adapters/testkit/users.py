"""What UserRepository promises."""

from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    account,
    alive,
    at_once,
    crowd,
    facts,
    fill,
    joined,
    kinds,
    noon,
    put,
    signed_in,
    verdict,
    walked,
    wish,
)
from domain.ids import MovieId, UserId
from domain.ratings import RatingNotFound, RatingOrder, Score, Tally
from domain.users import (
    Caller,
    EmailAndUsernameTaken,
    EmailTaken,
    LastAdmin,
    Role,
    User,
    UsernameTaken,
    UserNotFound,
)
from domain.watchlist import ItemNotFound

NOBODY = UserId("0" * 24)
NEW = "$argon2id$new"


class UserRepositoryContract:
    """Accounts."""

    def test_an_account_comes_back_as_it_was_stored(self, store: Store) -> None:
        for user in (
            account("Ann.B-c_1", email="Änn@Exämple.com", role=Role.ADMIN, disabled=True),
            account("bob", created_at=noon(2), updated_at=noon(3)),
        ):
            store.users.add(user)
            assert store.users.get(user.id) == user

    def test_an_account_that_nobody_has_is_not_found(self, store: Store) -> None:
        joined(store)
        with pytest.raises(UserNotFound):
            store.users.get(NOBODY)
        with pytest.raises(UserNotFound):
            store.users.change(NOBODY, _renamed("bob"))
        for verified in (None, "$hash"):
            with pytest.raises(UserNotFound):
                store.users.remove(NOBODY, verified=verified)

    def test_an_address_is_taken_in_any_case(self, store: Store) -> None:
        joined(store, email="Ann@Example.com")
        with pytest.raises(EmailTaken):
            store.users.add(account("bob", email="aNN@eXAMPLE.COM"))
        assert store.users.count() == 1
        store.users.add(account("bob", email="bob@example.com"))

    def test_a_name_is_taken_in_any_case(self, store: Store) -> None:
        joined(store, "Ann")
        with pytest.raises(UsernameTaken):
            store.users.add(account("aNN", email="other@example.com"))
        assert store.users.by_email("other@example.com") is None

    def test_an_address_and_a_name_that_are_both_taken_are_both_named(self, store: Store) -> None:
        ann = joined(store, "Ann", email="ann@example.com")
        bob = joined(store, "Bob", email="bob@example.com")
        with pytest.raises(EmailAndUsernameTaken) as added:
            store.users.add(account("aNN", email="BOB@example.com"))
        assert [fault.field for fault in added.value.faults] == ["email", "username"]
        eva = joined(store, "eva")
        with pytest.raises(EmailAndUsernameTaken):
            store.users.change(
                eva.id, lambda user: user.with_changes(noon(2), username=ann.username, email=bob.email)
            )
        assert store.users.by_ids([eva.id]) == {eva.id: eva}

    def test_of_several_at_once_one_gets_the_address(self, store: Store) -> None:
        wanted = [account(f"user{number}", email="Ann@example.com") for number in range(8)]
        answers = at_once([partial(store.users.add, user) for user in wanted])
        assert kinds(answers) == ["EmailTaken"] * 7
        assert store.users.count() == 1

    def test_of_several_at_once_one_gets_the_name(self, store: Store) -> None:
        wanted = [account("Ann", email=f"{number}@example.com") for number in range(8)]
        answers = at_once([partial(store.users.add, user) for user in wanted])
        assert kinds(answers) == ["UsernameTaken"] * 7
        assert len(store.users.page(10)) == store.users.count() == 1

    def test_an_account_is_found_by_its_address_in_any_case(self, store: Store) -> None:
        ann, eva = joined(store), joined(store, "eva", email="eva@straße.example")
        assert store.users.by_email("ANN@example.COM") == ann
        assert store.users.by_email("EVA@STRASSE.EXAMPLE") == eva
        assert store.users.by_email("ann@example.org") is None

    def test_accounts_by_id_leave_out_whom_there_is_not(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        joined(store, "eva")
        assert store.users.by_ids({ann.id, bob.id, NOBODY}) == {ann.id: ann, bob.id: bob}
        assert store.users.by_ids([]) == {}

    def test_a_changed_account_is_stored_and_returned(self, store: Store) -> None:
        ann = joined(store)
        changed = ann.with_changes(noon(2), username="Anna", email="anna@example.com", password_hash=NEW)
        assert store.users.change(ann.id, lambda _: changed) == changed
        assert store.users.get(ann.id) == changed

    def test_a_change_sees_the_account_as_it_is_stored(self, store: Store) -> None:
        ann = joined(store)
        store.users.change(ann.id, _renamed("Anna"))
        changed = store.users.change(ann.id, lambda user: user.with_changes(noon(3), role=Role.ADMIN))
        assert (changed.username, changed.role, changed.updated_at) == ("Anna", Role.ADMIN, noon(3))

    def test_no_change_is_lost(self, store: Store) -> None:
        ann = joined(store)
        at_once([
            partial(
                store.users.change,
                ann.id,
                lambda user: user.with_changes(noon(2), username=user.username + "x"),
            )
        ] * 12)  # fmt: skip
        assert store.users.get(ann.id).username == "ann" + "x" * 12

    def test_a_change_that_fails_leaves_the_account(self, store: Store) -> None:
        ann = joined(store)
        with pytest.raises(ZeroDivisionError):
            store.users.change(ann.id, lambda user: user.with_changes(noon(2 // 0)))
        assert store.users.get(ann.id) == ann
        assert store.users.change(ann.id, _renamed("Anna")).username == "Anna"

    def test_nobody_takes_a_name_or_an_address_by_a_change(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        with pytest.raises(UsernameTaken):
            store.users.change(bob.id, _renamed("ANN"))
        with pytest.raises(EmailTaken):
            store.users.change(bob.id, lambda user: user.with_changes(noon(2), email=ann.email.upper()))
        assert store.users.by_ids([ann.id, bob.id]) == {ann.id: ann, bob.id: bob}

    def test_of_several_changes_at_once_one_gets_the_name(self, store: Store) -> None:
        people = crowd(store, 6)
        answers = at_once([partial(store.users.change, user, _renamed("Ann")) for user in people])
        assert kinds(answers) == ["UsernameTaken"] * 5

    def test_the_case_of_ones_own_name_and_address_may_change(self, store: Store) -> None:
        ann = joined(store)
        changed = store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), username="ANN", email="ANN@EXAMPLE.COM")
        )
        assert store.users.by_email(ann.email) == changed

    def test_what_was_given_up_is_free_again(self, store: Store) -> None:
        ann = joined(store)
        changed = store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), username="Anna", email="anna@example.com")
        )
        assert store.users.by_email(ann.email) is None
        assert store.users.by_email("Anna@example.com") == changed
        joined(store, "ann")

    def test_who_is_disabled_loses_all_sessions_for_good(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        mine, more, other = signed_in(store, ann), signed_in(store, ann), signed_in(store, bob)
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=False))
        assert store.sessions.caller(mine.id, noon(2)) is None
        assert store.sessions.caller(more.id, noon(2)) is None
        assert store.sessions.caller(other.id, noon(2)) == Caller(user=bob, session=other.id)

    def test_a_new_password_ends_all_sessions_but_one_that_is_kept(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        mine, more, others = signed_in(store, ann), signed_in(store, ann), signed_in(store, bob)
        changed = store.users.change(ann.id, _with_password(NEW), keeping=mine.id)
        assert store.users.get(ann.id) == changed
        assert alive(store, mine.id, more.id, others.id) == [mine.id, others.id]
        store.users.change(ann.id, _with_password("$newer"))
        assert alive(store, mine.id, more.id, others.id) == [others.id]

    def test_one_cannot_keep_the_session_of_another_by_naming_it(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        mine, others = signed_in(store, ann), signed_in(store, bob)
        store.users.change(ann.id, _with_password(NEW), keeping=others.id)
        assert alive(store, mine.id, others.id) == [others.id]

    def test_who_is_disabled_keeps_no_session_by_naming_it(self, store: Store) -> None:
        ann = joined(store)
        mine = signed_in(store, ann)
        store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), password_hash=NEW, disabled=True), keeping=mine.id
        )
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=False))
        assert alive(store, mine.id) == []

    def test_the_same_password_hash_again_ends_no_session(self, store: Store) -> None:
        ann = joined(store)
        mine, more = signed_in(store, ann), signed_in(store, ann)
        store.users.change(ann.id, _with_password(ann.password_hash))
        assert alive(store, mine.id, more.id) == [mine.id, more.id]

    def test_another_change_ends_no_session(self, store: Store) -> None:
        ann = joined(store)
        session = signed_in(store, ann)
        changed = store.users.change(ann.id, _renamed("Anna"))
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=changed, session=session.id)

    def test_the_last_admin_stays(self, store: Store) -> None:
        ann = joined(store, role=Role.ADMIN)
        joined(store, "bob")
        joined(store, "eva", role=Role.ADMIN, disabled=True)
        session = signed_in(store, ann)
        with pytest.raises(LastAdmin):
            store.users.change(ann.id, _demoted)
        with pytest.raises(LastAdmin):
            store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        with pytest.raises(LastAdmin):
            store.users.remove(ann.id)
        assert store.users.get(ann.id) == ann
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=ann, session=session.id)

    def test_the_last_admin_may_change_otherwise(self, store: Store) -> None:
        ann = joined(store, role=Role.ADMIN)
        assert store.users.change(ann.id, _renamed("Anna")).username == "Anna"

    def test_one_of_two_admins_may_go(self, store: Store) -> None:
        ann, bob = joined(store, role=Role.ADMIN), joined(store, "bob", role=Role.ADMIN)
        assert store.users.change(ann.id, _demoted).role is Role.USER
        with pytest.raises(LastAdmin):
            store.users.remove(bob.id)
        store.users.change(ann.id, lambda user: user.with_changes(noon(3), role=Role.ADMIN))
        store.users.remove(bob.id)

    def test_without_an_active_admin_anybody_may_change_and_leave(self, store: Store) -> None:
        ann = joined(store)
        eva = joined(store, "eva", role=Role.ADMIN, disabled=True)
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        store.users.change(eva.id, _demoted)
        for user in (ann, eva):
            store.users.remove(user.id)
        assert store.users.count() == 0

    def test_of_several_admins_that_go_at_once_one_stays(self, store: Store) -> None:
        admins = [joined(store, f"admin{number}", role=Role.ADMIN) for number in range(6)]
        leave = [partial(store.users.remove, admin.id) for admin in admins[:3]]
        answers = at_once(
            [*leave, *(partial(store.users.change, admin.id, _demoted) for admin in admins[3:])]
        )
        assert kinds(answers) == ["LastAdmin"]
        assert sum(user.is_active_admin for user in store.users.page(10)) == 1

    def test_all_that_a_user_had_goes_with_the_account(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        movies = [movie.id for movie in fill(store, [facts(number) for number in range(1, 31)])]
        ratings = [verdict(ann.id, movie, 1 + number % 10) for number, movie in enumerate(movies)]
        items = [wish(ann.id, movie) for movie in movies]
        for rating, item in zip(ratings, items, strict=True):
            store.ratings.add(rating)
            store.watchlists.add(item)
        session = signed_in(store, ann)
        store.users.remove(ann.id)
        assert store.users.by_email(ann.email) is None
        assert store.sessions.caller(session.id, noon(2)) is None
        assert store.sessions.change(session.id, lambda session: (session, "found")) is None
        with pytest.raises(RatingNotFound):
            store.ratings.get(ratings[0].id)
        with pytest.raises(ItemNotFound):
            store.watchlists.get(items[0].id)
        assert store.ratings.of_user(ann.id, RatingOrder.RATING, descending=True, limit=9) == []
        assert (store.ratings.count(ann.id), store.watchlists.count(ann.id)) == (0, 0)
        assert all(movie.tally == Tally() for movie in store.movies.by_ids(movies))
        assert store.ratings.drifts() == []
        assert store.users.page(10) == [bob]

    def test_an_account_goes_only_by_the_password_that_was_verified(self, store: Store) -> None:
        ann = joined(store)
        session = signed_in(store, ann)
        assert store.users.remove(ann.id, verified="$older") is False
        assert store.users.get(ann.id) == ann
        assert alive(store, session.id) == [session.id]
        assert store.users.remove(ann.id, verified=ann.password_hash) is True
        assert store.users.by_email(ann.email) is None

    def test_an_account_goes_without_any_password_where_none_is_asked_for(self, store: Store) -> None:
        ann = joined(store)
        assert store.users.remove(ann.id) is True
        assert store.users.count() == 0

    def test_the_scores_and_the_lists_of_others_stay(self, store: Store) -> None:
        ann, bob = joined(store), joined(store, "bob")
        (movie,) = fill(store, [facts(1)])
        session = signed_in(store, bob)
        for user, points in ((ann, 3), (bob, 9.5)):
            store.ratings.add(verdict(user.id, movie.id, points))
            store.watchlists.add(wish(user.id, movie.id))
        store.users.remove(ann.id)
        assert store.movies.get(movie.id).tally == Tally.of([Score.of(9.5)])
        assert store.ratings.count(bob.id) == store.watchlists.count(bob.id) == 1
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=bob, session=session.id)

    def test_the_name_and_the_address_of_who_left_are_free(self, store: Store) -> None:
        store.users.remove(joined(store).id)
        again = joined(store)
        assert store.users.page(10) == [again]

    def test_a_movie_that_only_a_gone_user_kept_can_go(self, store: Store) -> None:
        ann = joined(store)
        rated, listed = (movie.id for movie in fill(store, [facts(1), facts(2)]))
        store.ratings.add(verdict(ann.id, rated))
        store.watchlists.add(wish(ann.id, listed))
        store.users.remove(ann.id)
        put(store, gone=(1, 2), day=2)
        assert store.movies.by_tmdb_ids([1, 2]) == {}

    def test_users_who_leave_while_others_rate_take_only_their_own_scores(self, store: Store) -> None:
        leaving, staying = crowd(store, 5), [joined(store, f"fan{number}").id for number in range(5)]
        movies = [movie.id for movie in fill(store, [facts(1), facts(2)])]
        for user in leaving:
            for movie in movies:
                store.ratings.add(verdict(user, movie, 2))
        rate = [partial(_rate_all, store, user, movies) for user in staying]
        answers = at_once([*rate, *(partial(store.users.remove, user) for user in leaving)])
        assert kinds(answers) == []
        for rated in store.movies.by_ids(movies):
            assert rated.tally == Tally.of([Score.of(9)] * 5)

    def test_the_same_user_leaves_once(self, store: Store) -> None:
        ann = joined(store)
        (movie,) = fill(store, [facts(1)])
        store.ratings.add(verdict(ann.id, movie.id))
        answers = at_once([partial(store.users.remove, ann.id)] * 4)
        assert kinds(answers) == ["UserNotFound"] * 3
        assert store.movies.get(movie.id).tally == Tally()
        assert store.users.count() == 0

    def test_accounts_come_oldest_first_and_those_of_one_age_by_id(self, store: Store) -> None:
        days = (3, 1, 2, 1, 2)
        people = [
            joined(store, f"user{number}", id=UserId(f"f{100 - number:023x}"), created_at=noon(day))
            for number, day in enumerate(days)
        ]
        expected = sorted(people, key=lambda user: (user.created_at, user.id))
        assert store.users.page(10) == expected
        assert store.users.page(2, 1) == expected[1:3]
        assert store.users.page(2, 4) == expected[4:]
        assert store.users.page(2, 9) == []
        for limit in (1, 2, 10):
            assert walked(store.users.page, lambda user: user.cursor, limit) == expected

    def test_the_count_is_of_the_accounts_there_are(self, store: Store) -> None:
        assert store.users.count() == 0
        ann = joined(store)
        joined(store, "bob", disabled=True)
        assert store.users.count() == 2
        store.users.remove(ann.id)
        assert store.users.count() == 1


def _with_password(password_hash: str) -> "partial[User]":
    return partial(User.with_changes, at=noon(2), password_hash=password_hash)


def _renamed(username: str) -> "partial[User]":
    return partial(User.with_changes, at=noon(2), username=username)


def _demoted(user: User) -> User:
    return user.with_changes(noon(2), role=Role.USER)


def _rate_all(store: Store, user: UserId, movies: list[MovieId]) -> None:
    for movie in movies:
        store.ratings.add(verdict(user, movie, 9))
