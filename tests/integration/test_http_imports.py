"""Imports over HTTP: uploading in three ways, reviewing, deciding otherwise, applying and undoing."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from dependency_injector import providers
from litestar.testing import TestClient

from adapters.testkit.samples import facts
from domain.ids import ImportId
from entrypoints.container import Container
from entrypoints.http import uploads
from entrypoints.settings import Settings
from tests.integration.http_service import (
    THE_MATRIX,
    Client,
    SignedInUser,
    application,
    container_over,
    filled_store,
    register_user,
)
from tests.integration.import_use_cases import FakeJobQueue
from tests.integration.loopback import request, serving_on_loopback

numbers = count()

TABLE = "tmdb_id,title,year,rating,watched\n"
CLOSE = "Connection: close"
RATINGS = f"{TABLE}603,The Matrix,1999,8.5,2024-01-02\n1,Nothing,1950,5,\n"


@dataclass
class Place:
    neo: SignedInUser
    container: Container
    jobs: FakeJobQueue

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> Any:
        return self.neo(method, f"/me/imports{path}", json, **more)

    def upload(self, content: str | bytes, name: str = "ratings.csv", query: str = "") -> str:
        answer = self("POST", query, content=content, headers={"X-File-Name": name})
        assert answer.status_code == 202, answer.text
        assert answer.json().keys() == {"id"}
        return str(answer.json()["id"])

    def worked(self) -> None:
        """Do the jobs of the queue."""
        while self.jobs.runs:
            self.container.run_import()(imported=self.jobs.runs.pop())

    def reviewed(self, content: str | bytes) -> str:
        imported = self.upload(content)
        self.worked()
        return imported


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Client, Container, FakeJobQueue]]:
    store = filled_store([THE_MATRIX, facts(604), facts(605)])
    settings = Settings(public_catalogue="false", web="false", rate_limit="1000000/minute")
    container, jobs = container_over(store, settings), FakeJobQueue()
    container.jobs.override(providers.Object(jobs))
    app = application(store, container=container, public_catalogue="false")
    with TestClient(app) as client:
        yield client, container, jobs
    store.close()


@pytest.fixture
def here(service: tuple[Client, Container, FakeJobQueue]) -> Place:
    client, container, jobs = service
    jobs.runs.clear()
    jobs.available = True
    return Place(register_user(client, f"neo{next(numbers)}"), container, jobs)


def test_a_file_is_uploaded_reviewed_applied_and_undone(here: Place) -> None:
    imported = here.upload(RATINGS)
    reading = here("GET", f"/{imported}").json()
    assert (reading["state"], reading["progress"], reading["source"]) == (
        "reading",
        {"done": 0, "total": 0},
        None,
    )
    here.worked()
    ready = here("GET", f"/{imported}").json()
    assert (ready["state"], ready["source"], ready["scale"], ready["prefer"]) == ("ready", "csv", 10, "newer")
    assert ready["columns"]["watched_on"] == "watched"
    counts = ready["counts"]
    assert counts.pop("rows") == sum(counts.values()) == 2
    assert (counts["new"], counts["unmatched"]) == (1, 1)
    example = ready["examples"][0]
    assert (example["rating"], example["becomes"]["rating"], example["movie"]["tmdb_id"]) == ("8.5", 8.5, 603)
    assert example["becomes"]["watched_on"] == ["2024-01-02"]
    assert here.neo("GET", "/ratings").json()["meta"]["total"] == 0

    applying = here("POST", f"/{imported}/apply")
    assert (applying.status_code, applying.json()["state"]) == (202, "applying")
    here.worked()
    assert here("GET", f"/{imported}?fields=state").json() == {"state": "done"}
    assert here.neo("GET", "/ratings").json()["data"][0]["rating"] == 8.5

    assert here("POST", f"/{imported}/undo").status_code == 202
    here.worked()
    assert here("GET", f"/{imported}?fields=state,not_undone").json() == {"state": "undone", "not_undone": 0}
    assert here.neo("GET", "/ratings").json()["meta"]["total"] == 0
    assert here("DELETE", f"/{imported}").status_code == 204
    assert here("GET", f"/{imported}").status_code == 404


def test_rows_are_listed_by_class_page_and_cursor(here: Place) -> None:
    imported = here.reviewed(RATINGS)
    page = here("GET", f"/{imported}/rows?limit=1").json()
    (row,) = page["data"]
    assert (row["row"], row["file"], row["line"], row["class"], row["reason"]) == (
        1,
        "ratings.csv",
        2,
        "new",
        None,
    )
    following = here("GET", f"/{imported}/rows?limit=1&cursor={page['meta']['next_cursor']}").json()
    assert (
        following["data"][0]["message"] == "names a film that is not held here, and TMDB could not be asked"
    )
    unmatched = here("GET", f"/{imported}/rows?class=unmatched&fields=row,class").json()
    assert unmatched["data"] == [{"row": 2, "class": "unmatched"}]
    assert unmatched["meta"]["total"] == 1
    assert here("GET", f"/{imported}/rows?class=lost").json()["details"][0]["field"] == "class"


def test_what_is_decided_otherwise_is_shown_at_once(here: Place) -> None:
    imported = here.reviewed(RATINGS)
    answer = here("PATCH", f"/{imported}", {"scale": 20, "prefer": "mine", "choices": {"2": "604"}})
    assert answer.status_code == 200
    assert answer.json()["counts"]["new"] == 2
    assert answer.json()["examples"][0]["becomes"]["rating"] == 4.5
    answer = here("PATCH", f"/{imported}", {"columns": {"rating": "year"}})
    assert answer.json()["state"] == "reading"
    here.worked()
    assert here("GET", f"/{imported}").json()["columns"]["rating"] == "year"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"scale": 7}, "scale"),
        ({"prefer": "best"}, "prefer"),
        ({"columns": {"colour": "x"}}, "columns"),
        ({"columns": {"date_order": "ymd"}}, "columns"),
        ({"choices": {"x": "603"}}, "choices"),
        ({"choices": {"1": "nothing"}}, "choices"),
        ({"choices": {"77": "603"}}, "choices"),
        ({"choices": {"1": "999"}}, "choices"),
    ],
)
def test_a_decision_that_cannot_be_made_names_its_field(here: Place, body: Any, field: str) -> None:
    imported = here.reviewed(RATINGS)
    answer = here("PATCH", f"/{imported}", body)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == field


def test_a_form_uploads_one_file_or_several(here: Place) -> None:
    one = here("POST", "", files={"file": ("my ratings.csv", RATINGS, "application/vnd.ms-excel")})
    assert one.status_code == 202
    header = "Date,Name,Year,Letterboxd URI"
    files = [
        ("file", ("ratings.csv", f"{header},Rating\n2024-01-02,The Matrix,1999,u,4\n", "text/csv")),
        ("file", ("watchlist.csv", f"{header}\n2024-01-02,The Matrix,1999,u\n", "text/csv")),
        ("file", ("", "", "application/octet-stream")),
        ("other", (None, "text")),
    ]
    several = here("POST", "", files=files)
    here.worked()
    shown = here("GET", "?fields=id,name,source,counts").json()["data"]
    by_id = {each["id"]: each for each in shown}
    assert by_id[one.json()["id"]]["name"] == "my ratings.csv"
    assert by_id[several.json()["id"]]["source"] == "letterboxd"
    assert by_id[several.json()["id"]]["counts"]["new"] == 2


def test_an_upload_without_a_file_or_with_a_broken_form_is_refused(here: Place) -> None:
    assert here("POST", "", content=b"").json()["details"][0]["field"] == "file"
    assert here("POST", "", files={"other": (None, "text")}).json()["details"][0]["field"] == "file"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert here("POST", "", content=b"--y", headers=headers).json()["details"][0]["field"] == "body"
    packed = here("POST", "", content=RATINGS, headers={"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "unsupported_content_encoding")
    headers = {"Content-Type": "multipart/form-data"}
    assert here("POST", "", content=b"--y", headers=headers).status_code == 400
    assert here("POST", "?source=netflix", content=RATINGS).json()["details"][0]["field"] == "source"


def test_a_file_that_is_too_large_is_refused(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PACKED_BYTES", 20)
    answer = here("POST", "", content=RATINGS)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_file_that_cannot_be_imported_says_why(here: Place) -> None:
    imported = here.reviewed(b"\x7fELF" + bytes(100))
    failed = here("GET", f"/{imported}").json()
    assert (failed["state"], failed["error"]) == ("failed", "unknown_format")
    assert failed["message"] == (
        "The file must be an export of a known service, or a table with a line of headers."
    )
    assert here("POST", f"/{imported}/apply").json()["code"] == "import_not_ready"


def test_the_format_can_be_named(here: Place) -> None:
    imported = here.upload(RATINGS, query="?source=imdb")
    here.worked()
    assert here("GET", f"/{imported}").json()["error"] == "other_format"


def test_imports_of_others_are_not_found(here: Place) -> None:
    imported = here.reviewed(RATINGS)
    trinity = register_user(here.neo.client, f"trinity{next(numbers)}")
    for method, path in (
        ("GET", ""),
        ("GET", "/rows"),
        ("POST", "/apply"),
        ("POST", "/undo"),
        ("DELETE", ""),
    ):
        answer = trinity(method, f"/me/imports/{imported}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")
    assert trinity("GET", "/me/imports").json()["data"] == []
    assert here("GET", "/nonsense").status_code == 404


def test_without_a_queue_nothing_is_kept(here: Place) -> None:
    here.jobs.available = False
    answer = here("POST", "", content=RATINGS)
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
    assert here("GET", "").json()["data"] == []


def test_large_uploads_are_taken_by_the_server_and_go_to_disk() -> None:
    store = filled_store([THE_MATRIX])
    settings = Settings(public_catalogue="false", web="false")
    container, jobs = container_over(store, settings), FakeJobQueue()
    container.jobs.override(providers.Object(jobs))
    app = application(store, container=container, public_catalogue="false")
    with TestClient(app) as client:
        token = register_user(client).access_token
    table = (TABLE + "603,The Matrix,1999,8.5,2024-01-02\n" * 20_000).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("ratings.csv", table)
    body = packed.getvalue()
    path, length = "/api/v1/me/imports", f"Content-Length: {len(body)}"
    with serving_on_loopback(app, uploads=1, upload_bytes=len(body)) as server:
        [taken] = server.exchange(
            request("POST", path, length, f"Authorization: Bearer {token}", CLOSE, body=body)
        )
        assert taken.status == 202
        stored = b"".join(store.imports.upload(ImportId(taken.json()["id"])))
        assert stored == body
        [chunked] = server.exchange(
            request(
                "POST",
                path,
                "Transfer-Encoding: chunked",
                f"Authorization: Bearer {token}",
                CLOSE,
                body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
            )
        )
        assert chunked.status == 202
        [unknown] = server.exchange(
            request("POST", path, length, "Authorization: Bearer x", CLOSE, body=body)
        )
        assert unknown.status == 401
        for refused in (
            request("POST", path, length, body=body[:9]),
            request("POST", path, f"Content-Length: {len(body) + 1}", "Cookie: a=b", body=body[:9]),
            request("POST", "/api/v1/ratings", length, "Cookie: a=b", body=body[:9]),
        ):
            [answer] = server.exchange(refused)
            assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")
        with server.connect() as waiting:
            waiting.sendall(request("POST", path, length, "Cookie: a=b", body=body[:9]))
            [full] = server.exchange(request("POST", path, length, "Cookie: a=b", body=body[:9]))
            while full.status != 503:
                [full] = server.exchange(request("POST", path, length, "Cookie: a=b", body=body[:9]))
        assert full.json()["code"] == "uploads_full"
    store.close()
