"""Sessions in cookies: the same sessions as those of tokens, and forms of this host only."""

from datetime import timedelta
from typing import Any

import pytest
from dependency_injector import providers

from entrypoints.settings import Settings
from entrypoints.web import cookies
from entrypoints.web.static_files import static_url
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    application,
    call_synchronously,
    container_over,
    filled_store,
    now,
    register_user,
)
from tests.integration.web_client import Browser, Page, browsing_with_store, cookies_of

FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}


def signed_in(browser: Browser) -> bool:
    return bool(browser.open("/account").status_code == 200)


def test_who_joins_is_signed_in_and_comes_back_to_where_they_were() -> None:
    with browsing_with_store() as (browser, store):
        answer = browser.send(
            "/join", username="neo", email="neo@example.com", password=PASSWORD, next="/movies/603"
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/movies/603")
        assert answer.headers["cache-control"] == "no-store"
        assert signed_in(browser)
        assert [user.username for user in store.users.page(10, 0)] == ["neo"]


def test_the_cookies_are_out_of_reach_for_scripts_and_other_sites() -> None:
    with browsing_with_store() as (browser, _):
        answer = browser.send("/join", username="neo", email="neo@example.com", password=PASSWORD)
    assert cookies_of(answer) == [
        "matinee=…; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax",
        "matinee-refresh=…; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
    ]


def test_behind_tls_the_cookies_are_for_this_host_and_tls_only() -> None:
    app = application(filled_store([]), web="true")
    body = f"username=neo&email=neo%40example.com&password={PASSWORD.replace(' ', '+')}".encode()
    reply = call_synchronously(app, "/join", method="POST", headers=FORM, body=body, scheme="https")
    assert reply.status == 303
    # The helper keeps the last of several headers with one name.
    assert reply.headers["set-cookie"].startswith("__Host-matinee-refresh=")
    assert reply.headers["set-cookie"].endswith("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure")


def test_a_cookie_without_the_prefix_does_not_count_behind_tls() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        jar = browser.client.cookies
        app = browser.client.app
        plain = {"cookie": f"matinee={jar['matinee']}", "accept": "text/html"}
        prefixed = {"cookie": f"__Host-matinee={jar['matinee']}", "accept": "text/html"}
        assert call_synchronously(app, "/account", headers=plain, scheme="https").status == 303
        assert call_synchronously(app, "/account", headers=prefixed, scheme="https").status == 200


def test_who_signs_in_is_led_to_the_page_that_was_wanted() -> None:
    with browsing_with_store() as (browser, _):
        register_user(browser.client)
        form = browser.page("/sign-in?next=/ratings").forms[-1]
        assert form == ("post", "/sign-in", {"next": "/ratings", "email": "", "password": ""})
        answer = browser.send("/sign-in", email="neo@example.com", password=PASSWORD, next="/ratings")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ratings")
        assert signed_in(browser)
        assert browser.open("/sign-in?next=/watchlist").headers["location"] == "/watchlist"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_no_redirect_leaves_this_host(target: str) -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        for answer in (
            browser.client.get(
                "/join", params={"next": target}, headers=browser.headers, follow_redirects=False
            ),
            browser.send("/movies/603/watchlist", next=target),
            browser.send("/sign-in", email="neo@example.com", password=PASSWORD, next=target),
        ):
            assert answer.status_code == 303
            assert answer.headers["location"] in {"/", "/movies/603"}


def test_a_wrong_password_is_named_beside_the_form_and_never_shown_again() -> None:
    with browsing_with_store() as (browser, _):
        register_user(browser.client)
        answer = browser.send("/sign-in", email="neo@example.com", password="not the right one")
        page = Page(answer.text)
    assert answer.status_code == 401
    assert "E-mail or password is wrong" in page.text
    assert page.forms[-1][2] == {"email": "neo@example.com", "password": ""}
    assert "not the right one" not in answer.text
    assert cookies_of(answer) == []


def test_every_fault_of_a_registration_stands_beside_its_field() -> None:
    with browsing_with_store() as (browser, _):
        register_user(browser.client)
        answer = browser.send("/join", username="no", email="neo", password="short")
        taken = browser.send("/join", username="Neo", email="other@example.com", password=PASSWORD)
        german = Browser(browser.client, **{"accept-language": "de"}).send("/join", username="no")
    for name in ("username", "email", "password"):
        assert f'id="{name}-fault"' in answer.text
    assert answer.status_code == 400
    assert (taken.status_code, 'id="username-fault">Is taken' in taken.text) == (409, True)
    assert "Bitte dieses Feld ausfüllen" in german.text


def test_an_invitation_comes_with_a_link() -> None:
    with browsing_with_store(registration="invite") as (browser, _):
        form = browser.page("/join?invitation=abc").forms[-1]
        assert form[2]["invitation"] == "abc"
        fields = {"username": "neo", "email": "neo@example.com", "password": PASSWORD}
        assert browser.send("/join", **fields).status_code == 403
        answer = browser.send("/join", **fields, invitation="abc")
    assert "unknown, has expired or is used up" in answer.text


def test_signing_out_ends_the_session_and_deletes_the_cookies() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        token = browser.client.cookies["matinee"]
        answer = browser.send("/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert cookies_of(answer) == [
            "matinee=…; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
            "matinee-refresh=…; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
        ]
        assert not signed_in(browser)
        api = browser.client.get("/api/v1/auth/me", headers={"authorization": f"Bearer {token}"})
    assert (api.status_code, api.json()["code"]) == (401, "token_revoked")


def test_a_session_that_has_ended_elsewhere_is_over_at_once() -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        (user,) = store.users.page(10, 0)
        store.users.change(user.id, lambda stored: stored.with_changes(stored.updated_at, disabled=True))
        answer = browser.open("/account")
    assert answer.status_code == 303
    assert len(cookies_of(answer)) == 2


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 4000])
def test_a_forged_cookie_is_nobody(token: str) -> None:
    with browsing_with_store() as (browser, _):
        cookie = f"{cookies.ACCESS}={token}; {cookies.REFRESH}={token}"
        answer = browser.open("/account", cookie=cookie)
        home = browser.open("/", cookie=cookie)
    assert answer.status_code == 303
    assert (home.status_code, "Welcome" in home.text) == (200, True)


def test_a_session_goes_on_when_its_access_token_is_gone() -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        del browser.client.cookies["matinee"]
        answer = browser.open("/account")
        assert answer.status_code == 200
        assert [each.split("=")[0] for each in cookies_of(answer)] == ["matinee", "matinee-refresh"]
        assert cookies_of(browser.open("/account")) == []


def test_a_session_goes_on_when_its_access_token_has_expired() -> None:
    with browsing_with_store() as (browser, store):
        register_user(browser.client)
        past = container_over(store, Settings())
        past.clock.override(providers.Object(lambda: now() - timedelta(days=8)))
        old = past.log_in()(email="neo@example.com", password=PASSWORD)
        access, refresh = f"matinee={old.access_token}", f"matinee-refresh={old.refresh_token}"
        continued = browser.open("/account", cookie=f"{access}; {refresh}")
        browser.client.cookies.clear()
        ended = browser.open("/account", cookie=access)
    assert (continued.status_code, len(cookies_of(continued))) == (200, 2)
    assert (ended.status_code, "Max-Age=0" in cookies_of(ended)[0]) == (303, True)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/search/suggestions?q=matrix", "application/json"),
        ("/images/w342/abc.jpg", "image/svg+xml"),
        ("/account/export", "application/json"),
    ],
)
def test_whatever_continues_a_session_sends_its_new_cookies(path: str, kind: str) -> None:
    with browsing_with_store(THE_MATRIX, images="proxy", refresh_grace="0s", public_catalogue="true") as (
        browser,
        _,
    ):
        browser.join()
        del browser.client.cookies["matinee"]
        answer = browser.open(path)
        assert answer.headers["content-type"].startswith(kind)
        assert signed_in(browser)
        assert cookies_of(browser.open("/account")) == []


@pytest.mark.parametrize("path", [static_url("style.css"), static_url("matinee.js")])
def test_files_for_every_cache_continue_no_session(path: str) -> None:
    with browsing_with_store() as (browser, _):
        browser.join()
        del browser.client.cookies["matinee"]
        answer = browser.open(path)
    assert (answer.status_code, cookies_of(answer)) == (200, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "none"}, 303),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://testserver.local"}, 403),
        ({"origin": "http://testserver.local"}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver.local.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({}, 303),
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str], status: int) -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        answer = foreign(browser, "/movies/603/watchlist", headers)
        (user,) = store.users.page(10, 0)
        listed = store.watchlists.count(user.id, favorite=None)
    assert answer.status_code == status
    assert listed == (1 if status == 303 else 0)
    if status == 403:
        assert "page of another site" in answer.text


def foreign(browser: Browser, path: str, headers: dict[str, str]) -> Any:
    """The response to a form with these headers only."""
    headers = {"accept": "text/html", **headers}
    return browser.client.post(path, data={}, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("path", ["/sign-in", "/join", "/sign-out", "/account", "/account/delete"])
def test_every_form_is_protected(path: str) -> None:
    with browsing_with_store() as (browser, _):
        assert foreign(browser, path, {"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_form_that_is_none_is_refused() -> None:
    with browsing_with_store() as (browser, _):
        answer = browser.client.post("/sign-in", json={"email": "neo@example.com"}, headers=browser.headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("body", ["email=a&email=b", "email=%ff", "email=%00", "colour=red"])
def test_a_form_with_odd_fields_is_shown_again(body: str) -> None:
    with browsing_with_store() as (browser, _):
        answer = browser.client.post("/sign-in", content=body, headers={**browser.headers, **FORM})
    assert answer.status_code == 400
    assert "Please check the marked fields" in answer.text


def test_attempts_to_sign_in_are_limited() -> None:
    with browsing_with_store(auth_rate_limit="2/minute") as (browser, _):
        answers: list[Any] = [
            browser.send("/sign-in", email="neo@example.com", password="guessed it") for _ in range(3)
        ]
    assert [each.status_code for each in answers] == [401, 401, 429]
    assert "many requests" in answers[-1].text


def test_signing_out_when_nobody_is_signed_in_leads_home_by_the_sign_in_page() -> None:
    with browsing_with_store() as (browser, _):
        answer = browser.send("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
