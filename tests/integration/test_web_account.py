"""The viewer's account: profile, password, export and deletion."""

import re

import pytest

from adapters.sqlite.store import SqliteStore
from entrypoints.web.pages import account
from tests.integration.http_service import PASSWORD, THE_MATRIX, now
from tests.integration.web_client import Page, browsing_with_store, cookies_of

NEW = "there is no spoon at all"


def test_the_name_is_changed() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        answer = browser.send("/account", username="thomas", email="neo@example.com")
        assert answer.headers["location"] == "/account?done=profile"
        page = browser.open("/account?done=profile").text
    assert 'value="thomas"' in page
    assert "The profile was saved" in page


def test_another_address_needs_the_password() -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        missing = browser.send("/account", username="neo", email="thomas@example.com")
        wrong = browser.send(
            "/account", username="neo", email="thomas@example.com", current_password="guessed"
        )
        right = browser.send(
            "/account", username="neo", email="thomas@example.com", current_password=PASSWORD
        )
        (user,) = store.users.page(10, 0)
    assert (missing.status_code, 'id="profile-current_password-fault"' in missing.text) == (400, True)
    assert (wrong.status_code, "The password is wrong" in wrong.text) == (403, True)
    assert 'value="thomas@example.com"' in wrong.text
    assert "guessed" not in wrong.text
    assert (right.status_code, user.email) == (303, "thomas@example.com")


def test_a_taken_name_is_named_beside_its_field() -> None:
    with browsing_with_store() as (browser, _):
        browser.join("trinity").send("/sign-out")
        answer = browser.join().send("/account", username="Trinity")
    assert (answer.status_code, 'id="username-fault">Is taken' in answer.text) == (409, True)


def test_the_password_is_changed_and_other_sessions_end() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        here = dict(browser.client.cookies)
        browser.client.cookies.clear()
        browser.send("/sign-in", email="neo@example.com", password=PASSWORD)
        weak = browser.send("/account/password", current_password=PASSWORD, new_password="password1")
        wrong = browser.send("/account/password", current_password="guessed it", new_password=NEW)
        answer = browser.send("/account/password", current_password=PASSWORD, new_password=NEW)
        assert browser.open("/account?done=password").status_code == 200
        other = browser.open("/account", cookie="; ".join(f"{name}={value}" for name, value in here.items()))
        browser.send("/sign-out")
        again = browser.send("/sign-in", email="neo@example.com", password=NEW)
    assert 'id="new_password-fault"' in weak.text
    assert (wrong.status_code, "The password is wrong" in wrong.text) == (403, True)
    assert answer.headers["location"] == "/account?done=password"
    assert other.status_code in {200, 303}
    assert again.status_code == 303


def sessions_of(store: SqliteStore) -> list[str]:
    (user,) = store.users.page(10, 0)
    return [each.id for each in store.sessions.of_user(user.id, now(), 10)]


def header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_sessions_are_listed_and_ended_one_by_one() -> None:
    with browsing_with_store() as (browser, store):
        browser.headers["user-agent"] = "Mozilla/5.0 (X11; Linux) Firefox/140.0"
        browser.join()
        there, (ended,) = header(dict(browser.client.cookies)), sessions_of(store)
        browser.client.cookies.clear()
        browser.headers["user-agent"] = "<b>curl</b>"
        browser.send("/sign-in", email="neo@example.com", password=PASSWORD)
        page = browser.page("/account")
        assert page.text.count("Firefox (Linux)") == 1
        assert "Unknown This session" in page.text
        forms = [action for _, action, _ in page.forms if action.startswith("/account/sessions/")]
        assert forms == [f"/account/sessions/{ended}/end", "/account/sessions/end-others"]
        assert browser.open("/account", cookie=there).status_code == 200
        answer = browser.send(forms[0])
        assert answer.headers["location"] == "/account?done=session"
        page = browser.page("/account?done=session")
        assert "The session was ended" in page.text
        assert "Firefox" not in page.text
        assert "/account/sessions/end-others" not in [action for _, action, _ in page.forms]
        browser.client.cookies.clear()
        assert browser.open("/account", cookie=there).status_code == 303


def test_all_other_sessions_are_ended() -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        for _ in range(2):
            browser.client.cookies.clear()
            browser.send("/sign-in", email="neo@example.com", password=PASSWORD)
        assert len(sessions_of(store)) == 3
        answer = browser.send("/account/sessions/end-others")
        assert answer.headers["location"] == "/account?done=sessions"
        assert "All your other sessions" in browser.page("/account?done=sessions").text
        assert len(sessions_of(store)) == 1


def test_ending_ones_own_session_signs_out() -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        answer = browser.send(f"/account/sessions/{sessions_of(store)[0]}/end")
        assert answer.headers["location"] == "/"
        assert all("Max-Age=0" in each for each in cookies_of(answer))
        assert browser.open("/account").status_code == 303


def test_a_session_of_somebody_else_is_not_found() -> None:
    with browsing_with_store() as (browser, store):
        browser.join("trinity")
        (hers,) = sessions_of(store)
        browser.send("/sign-out")
        browser.join().send(f"/account/sessions/{hers}/end")
        assert browser.send(f"/account/sessions/{hers}/end").status_code == 404


def test_only_the_newest_sessions_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "SHOWN_SESSIONS", 1)
    with browsing_with_store() as (browser, _):
        browser.join()
        browser.client.cookies.clear()
        browser.send("/sign-in", email="neo@example.com", password=PASSWORD)
        assert "not shown: 1" in browser.page("/account").text


def test_all_data_is_exported_as_json() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        browser.join().send("/movies/603/rating", rating="8.5")
        data = browser.open("/account/export").json()
    assert (data["user"]["username"], data["ratings"][0]["rating"], data["watchlist"]) == ("neo", 8.5, [])


def test_the_account_is_deleted_only_with_the_password() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, store):
        browser.join().send("/movies/603/rating", rating="8.5")
        wrong = browser.send("/account/delete", password="guessed it")
        missing = browser.send("/account/delete")
        answer = browser.send("/account/delete", password=PASSWORD)
        assert store.users.count() == 0
        assert "Welcome" in browser.page("/").text
    assert (wrong.status_code, missing.status_code) == (403, 400)
    assert Page(wrong.text).ids.count("password-fault") == 0
    assert 'id="delete-password-fault"' in missing.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/account", "/account/export"])
def test_a_stranger_has_no_account(path: str) -> None:
    with browsing_with_store() as (browser, _):
        assert browser.open(path).status_code == 303


def test_attempts_with_a_password_are_limited() -> None:
    with browsing_with_store(auth_rate_limit="2/minute") as (browser, _):
        browser.join()
        statuses = [browser.send("/account/delete", password="guessed it").status_code for _ in range(2)]
    assert statuses == [403, 429]


def test_an_api_token_is_made_shown_once_and_ended() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, store):
        browser.join()
        answer = browser.send("/account/tokens", name="<b>Player</b>", scope="read")
        token = re.findall(r'<code class="token">(matinee_[^<]+)</code>', answer.text)[0]
        assert f"/api/v1/hooks/{token}<" in answer.text
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        page = browser.open("/account")
        assert token not in page.text
        assert "&lt;b&gt;Player&lt;/b&gt;" in page.text
        assert "only read" in Page(page.text).text
        headers = {"Authorization": f"Bearer {token}"}
        assert browser.client.get("/api/v1/movies", headers=headers).status_code == 200
        (user,) = store.users.page(10, 0)
        (made,) = store.api_tokens.of_user(user.id, 10)
        assert browser.send(f"/account/tokens/{made.id}/end").headers["location"] == "/account?done=token"
        assert "The token was ended" in browser.open("/account?done=token").text
        assert browser.client.get("/api/v1/movies", headers=headers).status_code == 401


def test_a_wrong_api_token_form_is_shown_again() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        answer = browser.send("/account/tokens", name="Player", scope="write", expires_in="soon")
    assert (answer.status_code, 'id="expires_in-fault"' in answer.text) == (400, True)
    assert 'value="Player"' in answer.text
    assert '<option value="write" selected>' in answer.text


def test_an_api_token_is_no_cookie() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        answer = browser.send("/account/tokens", name="Player", scope="write")
        token = re.findall(r"matinee_[^<]+", answer.text)[0]
        (name,) = (name for name, value in browser.client.cookies.items() if value.startswith("ey"))
        browser.client.cookies.clear()
        assert browser.open("/account", cookie=f"{name}={token}").status_code == 303


def test_the_account_overrides_the_language_of_the_browser() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        english = {"accept-language": "en"}
        assert browser.send("/account", username="neo", language="de").status_code == 303
        page = browser.open("/account", **english)
        assert '<html lang="de"' in page.text
        assert '<option value="de" selected>Deutsch</option>' in page.text
        assert page.headers["content-language"] == "de"
        browser.send("/account", username="neo", language="")
        assert '<html lang="en"' in browser.open("/account", **english).text
        assert browser.send("/account", username="neo", language="fr").status_code == 400
