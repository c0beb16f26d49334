"""The contract of UserRepository."""

from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_movies,
    add_session,
    add_user,
    add_users,
    error_names,
    facts,
    new_account,
    new_item,
    new_rating,
    noon,
    read_pages,
    retried,
    run_concurrently,
    store_page,
    valid_sessions,
)
from domain.ids import MovieId, UserId
from domain.ratings import RatingNotFound, RatingOrder, Score, Tally
from domain.users import (
    Caller,
    EmailAndUsernameTaken,
    EmailTaken,
    LastAdmin,
    PageLanguage,
    Role,
    User,
    UsernameTaken,
    UserNotFound,
)
from domain.watchlist import ItemNotFound

NO_USER = UserId("0" * 24)
NEW = "$argon2id$new"


class UserRepositoryContract:
    """Storing, changing and removing accounts."""

    def test_an_account_is_read_as_it_was_stored(self, store: Store) -> None:
        for user in (
            new_account("Ann.B-c_1", email="Änn@Exämple.com", role=Role.ADMIN, disabled=True),
            new_account("bob", created_at=noon(2), updated_at=noon(3)),
        ):
            store.users.add(user)
            assert store.users.get(user.id) == user

    def test_a_missing_account_is_not_found(self, store: Store) -> None:
        add_user(store)
        with pytest.raises(UserNotFound):
            store.users.get(NO_USER)
        with pytest.raises(UserNotFound):
            store.users.change(NO_USER, _renamed("bob"))
        for verified in (None, "$hash"):
            with pytest.raises(UserNotFound):
                store.users.remove(NO_USER, verified=verified)

    def test_an_email_address_is_unique_ignoring_case(self, store: Store) -> None:
        add_user(store, email="Ann@Example.com")
        with pytest.raises(EmailTaken):
            store.users.add(new_account("bob", email="aNN@eXAMPLE.COM"))
        assert store.users.count() == 1
        store.users.add(new_account("bob", email="bob@example.com"))

    def test_a_username_is_unique_ignoring_case(self, store: Store) -> None:
        add_user(store, "Ann")
        with pytest.raises(UsernameTaken):
            store.users.add(new_account("aNN", email="other@example.com"))
        assert store.users.by_email("other@example.com") is None

    def test_the_error_names_both_a_taken_address_and_a_taken_name(self, store: Store) -> None:
        ann = add_user(store, "Ann", email="ann@example.com")
        bob = add_user(store, "Bob", email="bob@example.com")
        with pytest.raises(EmailAndUsernameTaken) as added:
            store.users.add(new_account("aNN", email="BOB@example.com"))
        assert [fault.field for fault in added.value.faults] == ["email", "username"]
        eva = add_user(store, "eva")
        with pytest.raises(EmailAndUsernameTaken):
            store.users.change(
                eva.id, lambda user: user.with_changes(noon(2), username=ann.username, email=bob.email)
            )
        assert store.users.by_ids([eva.id]) == {eva.id: eva}

    def test_of_concurrent_accounts_with_one_address_one_is_stored(self, store: Store) -> None:
        wanted = [new_account(f"user{number}", email="Ann@example.com") for number in range(8)]
        answers = run_concurrently([partial(store.users.add, user) for user in wanted])
        assert error_names(answers) == ["EmailTaken"] * 7
        assert store.users.count() == 1

    def test_of_concurrent_accounts_with_one_name_one_is_stored(self, store: Store) -> None:
        wanted = [new_account("Ann", email=f"{number}@example.com") for number in range(8)]
        answers = run_concurrently([partial(store.users.add, user) for user in wanted])
        assert error_names(answers) == ["UsernameTaken"] * 7
        assert len(store.users.page(10)) == store.users.count() == 1

    def test_an_account_is_found_by_its_address_ignoring_case(self, store: Store) -> None:
        ann, eva = add_user(store), add_user(store, "eva", email="eva@straße.example")
        assert store.users.by_email("ANN@example.COM") == ann
        assert store.users.by_email("EVA@STRASSE.EXAMPLE") == eva
        assert store.users.by_email("ann@example.org") is None

    def test_missing_accounts_are_left_out_of_a_lookup_by_ids(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        add_user(store, "eva")
        assert store.users.by_ids({ann.id, bob.id, NO_USER}) == {ann.id: ann, bob.id: bob}
        assert store.users.by_ids([]) == {}

    def test_a_changed_account_is_stored_and_returned(self, store: Store) -> None:
        ann = add_user(store)
        changed = ann.with_changes(
            noon(2),
            username="Anna",
            email="anna@example.com",
            password_hash=NEW,
            language=PageLanguage.GERMAN,
        )
        assert store.users.change(ann.id, lambda _: changed) == changed
        assert store.users.get(ann.id) == changed

    def test_a_change_receives_the_stored_account(self, store: Store) -> None:
        ann = add_user(store)
        store.users.change(ann.id, _renamed("Anna"))
        changed = store.users.change(ann.id, lambda user: user.with_changes(noon(3), role=Role.ADMIN))
        assert (changed.username, changed.role, changed.updated_at) == ("Anna", Role.ADMIN, noon(3))

    def test_no_concurrent_change_of_an_account_is_lost(self, store: Store) -> None:
        ann = add_user(store)
        run_concurrently([
            partial(
                store.users.change,
                ann.id,
                lambda user: user.with_changes(noon(2), username=user.username + "x"),
            )
        ] * 12)  # fmt: skip
        assert store.users.get(ann.id).username == "ann" + "x" * 12

    def test_a_failed_change_does_not_alter_the_account(self, store: Store) -> None:
        ann = add_user(store)
        with pytest.raises(ZeroDivisionError):
            store.users.change(ann.id, lambda user: user.with_changes(noon(2 // 0)))
        assert store.users.get(ann.id) == ann
        assert store.users.change(ann.id, _renamed("Anna")).username == "Anna"

    def test_a_change_to_a_taken_name_or_address_is_refused(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        with pytest.raises(UsernameTaken):
            store.users.change(bob.id, _renamed("ANN"))
        with pytest.raises(EmailTaken):
            store.users.change(bob.id, lambda user: user.with_changes(noon(2), email=ann.email.upper()))
        assert store.users.by_ids([ann.id, bob.id]) == {ann.id: ann, bob.id: bob}

    def test_of_concurrent_changes_to_one_name_one_succeeds(self, store: Store) -> None:
        people = add_users(store, 6)
        answers = run_concurrently([partial(store.users.change, user, _renamed("Ann")) for user in people])
        assert error_names(answers) == ["UsernameTaken"] * 5

    def test_a_user_can_change_the_case_of_name_and_address(self, store: Store) -> None:
        ann = add_user(store)
        changed = store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), username="ANN", email="ANN@EXAMPLE.COM")
        )
        assert store.users.by_email(ann.email) == changed

    def test_a_former_name_and_address_are_free_again(self, store: Store) -> None:
        ann = add_user(store)
        changed = store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), username="Anna", email="anna@example.com")
        )
        assert store.users.by_email(ann.email) is None
        assert store.users.by_email("Anna@example.com") == changed
        add_user(store, "ann")

    def test_disabling_an_account_removes_its_sessions_permanently(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        mine, more, other = add_session(store, ann), add_session(store, ann), add_session(store, bob)
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=False))
        assert store.sessions.caller(mine.id, noon(2)) is None
        assert store.sessions.caller(more.id, noon(2)) is None
        assert store.sessions.caller(other.id, noon(2)) == Caller(user=bob, session=other.id)

    def test_a_new_password_removes_all_sessions_but_the_kept_one(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        mine, more, others = add_session(store, ann), add_session(store, ann), add_session(store, bob)
        changed = store.users.change(ann.id, _with_password(NEW), keeping=mine.id)
        assert store.users.get(ann.id) == changed
        assert valid_sessions(store, mine.id, more.id, others.id) == [mine.id, others.id]
        store.users.change(ann.id, _with_password("$newer"))
        assert valid_sessions(store, mine.id, more.id, others.id) == [others.id]

    def test_the_session_of_another_user_cannot_be_kept(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        mine, others = add_session(store, ann), add_session(store, bob)
        store.users.change(ann.id, _with_password(NEW), keeping=others.id)
        assert valid_sessions(store, mine.id, others.id) == [others.id]

    def test_a_disabled_user_cannot_keep_a_session(self, store: Store) -> None:
        ann = add_user(store)
        mine = add_session(store, ann)
        store.users.change(
            ann.id, lambda user: user.with_changes(noon(2), password_hash=NEW, disabled=True), keeping=mine.id
        )
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=False))
        assert valid_sessions(store, mine.id) == []

    def test_an_unchanged_password_hash_removes_no_session(self, store: Store) -> None:
        ann = add_user(store)
        mine, more = add_session(store, ann), add_session(store, ann)
        store.users.change(ann.id, _with_password(ann.password_hash))
        assert valid_sessions(store, mine.id, more.id) == [mine.id, more.id]

    def test_other_changes_remove_no_session(self, store: Store) -> None:
        ann = add_user(store)
        session = add_session(store, ann)
        changed = store.users.change(ann.id, _renamed("Anna"))
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=changed, session=session.id)

    def test_the_last_active_admin_cannot_be_removed(self, store: Store) -> None:
        ann = add_user(store, role=Role.ADMIN)
        add_user(store, "bob")
        add_user(store, "eva", role=Role.ADMIN, disabled=True)
        session = add_session(store, ann)
        with pytest.raises(LastAdmin):
            store.users.change(ann.id, _demoted)
        with pytest.raises(LastAdmin):
            store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        with pytest.raises(LastAdmin):
            store.users.remove(ann.id)
        assert store.users.get(ann.id) == ann
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=ann, session=session.id)

    def test_the_last_active_admin_can_be_renamed(self, store: Store) -> None:
        ann = add_user(store, role=Role.ADMIN)
        assert store.users.change(ann.id, _renamed("Anna")).username == "Anna"

    def test_one_of_two_admins_can_be_removed(self, store: Store) -> None:
        ann, bob = add_user(store, role=Role.ADMIN), add_user(store, "bob", role=Role.ADMIN)
        assert store.users.change(ann.id, _demoted).role is Role.USER
        with pytest.raises(LastAdmin):
            store.users.remove(bob.id)
        store.users.change(ann.id, lambda user: user.with_changes(noon(3), role=Role.ADMIN))
        store.users.remove(bob.id)

    def test_without_an_active_admin_every_account_can_be_changed_and_removed(self, store: Store) -> None:
        ann = add_user(store)
        eva = add_user(store, "eva", role=Role.ADMIN, disabled=True)
        store.users.change(ann.id, lambda user: user.with_changes(noon(2), disabled=True))
        store.users.change(eva.id, _demoted)
        for user in (ann, eva):
            store.users.remove(user.id)
        assert store.users.count() == 0

    def test_of_concurrently_removed_admins_one_is_kept(self, store: Store) -> None:
        admins = [add_user(store, f"admin{number}", role=Role.ADMIN) for number in range(6)]
        leave = [partial(store.users.remove, admin.id) for admin in admins[:3]]
        answers = run_concurrently(
            [*leave, *(partial(store.users.change, admin.id, _demoted) for admin in admins[3:])]
        )
        assert error_names(answers) == ["LastAdmin"]
        assert sum(user.is_active_admin for user in store.users.page(10)) == 1

    def test_an_account_is_removed_with_all_its_data(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        movies = [movie.id for movie in add_movies(store, [facts(number) for number in range(1, 31)])]
        ratings = [new_rating(ann.id, movie, 1 + number % 10) for number, movie in enumerate(movies)]
        items = [new_item(ann.id, movie) for movie in movies]
        for rating, item in zip(ratings, items, strict=True):
            store.ratings.add(rating)
            store.watchlists.add(item)
        session = add_session(store, ann)
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

    def test_an_account_is_removed_only_with_the_verified_password_hash(self, store: Store) -> None:
        ann = add_user(store)
        session = add_session(store, ann)
        assert store.users.remove(ann.id, verified="$older") is False
        assert store.users.get(ann.id) == ann
        assert valid_sessions(store, session.id) == [session.id]
        assert store.users.remove(ann.id, verified=ann.password_hash) is True
        assert store.users.by_email(ann.email) is None

    def test_an_account_can_be_removed_without_a_verified_password(self, store: Store) -> None:
        ann = add_user(store)
        assert store.users.remove(ann.id) is True
        assert store.users.count() == 0

    def test_a_removal_keeps_ratings_and_watchlists_of_other_users(self, store: Store) -> None:
        ann, bob = add_user(store), add_user(store, "bob")
        (movie,) = add_movies(store, [facts(1)])
        session = add_session(store, bob)
        for user, points in ((ann, 3), (bob, 9.5)):
            store.ratings.add(new_rating(user.id, movie.id, points))
            store.watchlists.add(new_item(user.id, movie.id))
        store.users.remove(ann.id)
        assert store.movies.get(movie.id).tally == Tally.of([Score.of(9.5)])
        assert store.ratings.count(bob.id) == store.watchlists.count(bob.id) == 1
        assert store.sessions.caller(session.id, noon(2)) == Caller(user=bob, session=session.id)

    def test_name_and_address_of_a_removed_account_are_free(self, store: Store) -> None:
        store.users.remove(add_user(store).id)
        again = add_user(store)
        assert store.users.page(10) == [again]

    def test_a_movie_is_deleted_after_its_only_user_was_removed(self, store: Store) -> None:
        ann = add_user(store)
        rated, listed = (movie.id for movie in add_movies(store, [facts(1), facts(2)]))
        store.ratings.add(new_rating(ann.id, rated))
        store.watchlists.add(new_item(ann.id, listed))
        store.users.remove(ann.id)
        store_page(store, gone=(1, 2), day=2)
        assert store.movies.by_tmdb_ids([1, 2]) == {}

    def test_accounts_removed_during_ratings_subtract_only_their_own_scores(self, store: Store) -> None:
        leaving, staying = add_users(store, 5), [add_user(store, f"fan{number}").id for number in range(5)]
        movies = [movie.id for movie in add_movies(store, [facts(1), facts(2)])]
        for user in leaving:
            for movie in movies:
                store.ratings.add(new_rating(user, movie, 2))
        rate = [partial(_rate_all, store, user, movies) for user in staying]
        answers = run_concurrently([*rate, *(partial(store.users.remove, user) for user in leaving)])
        assert error_names(answers) == []
        for rated in store.movies.by_ids(movies):
            assert rated.tally == Tally.of([Score.of(9)] * 5)

    def test_concurrent_removals_of_an_account_succeed_once(self, store: Store) -> None:
        ann = add_user(store)
        (movie,) = add_movies(store, [facts(1)])
        store.ratings.add(new_rating(ann.id, movie.id))
        answers = run_concurrently([partial(store.users.remove, ann.id)] * 4)
        assert error_names(answers) == ["UserNotFound"] * 3
        assert store.movies.get(movie.id).tally == Tally()
        assert store.users.count() == 0

    def test_accounts_are_sorted_oldest_first_with_ties_by_id(self, store: Store) -> None:
        days = (3, 1, 2, 1, 2)
        people = [
            add_user(store, f"user{number}", id=UserId(f"f{100 - number:023x}"), created_at=noon(day))
            for number, day in enumerate(days)
        ]
        expected = sorted(people, key=lambda user: (user.created_at, user.id))
        assert store.users.page(10) == expected
        assert store.users.page(2, 1) == expected[1:3]
        assert store.users.page(2, 4) == expected[4:]
        assert store.users.page(2, 9) == []
        for limit in (1, 2, 10):
            assert read_pages(store.users.page, lambda user: user.cursor, limit) == expected

    def test_the_count_is_the_number_of_accounts(self, store: Store) -> None:
        assert store.users.count() == 0
        ann = add_user(store)
        add_user(store, "bob", disabled=True)
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
        retried(partial(store.ratings.add, new_rating(user, movie, 9)))
