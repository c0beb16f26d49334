"""The page for imports: upload, review, apply, undo, without script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dependency_injector import providers
from litestar.testing import TestClient

from adapters.testkit.samples import facts
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.integration.http_service import THE_MATRIX, application, container_over, filled_store
from tests.integration.import_use_cases import FakeJobQueue
from tests.integration.web_client import Browser, Page

HEADER = "Date,Name,Year,Letterboxd URI"
RATINGS = (
    f"{HEADER},Rating\n2024-01-02,The Matrix,1999,u,4.5\n2024-01-02,Twin,,u,4\n2024-01-02,<b>,1999,u,4\n"
)


@dataclass
class Visit:
    browser: Browser
    container: Container
    jobs: FakeJobQueue

    def upload(self, content: str, name: str = "ratings.csv", source: str = "auto") -> Any:
        return self.browser.client.post(
            "/import", data={"source": source}, files={"file": (name, content)}, follow_redirects=False
        )

    def worked(self) -> None:
        while self.jobs.runs:
            self.container.run_import()(imported=self.jobs.runs.pop())


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    twins = [facts(number, title="Twin", original_title="Twin", popularity=1.0) for number in (7, 8)]
    store = filled_store([THE_MATRIX, *twins])
    settings = Settings(public_catalogue="false", rate_limit="1000000/minute")
    container, jobs = container_over(store, settings), FakeJobQueue()
    container.jobs.override(providers.Object(jobs))
    app = application(store, container=container, public_catalogue="false", web="true")
    with TestClient(app) as client:
        yield Visit(Browser(client).join(), container, jobs)
    store.close()


def test_a_table_whose_columns_are_not_known_yet_has_no_examples_without_a_title(visit: Visit) -> None:
    path = visit.upload("What;Verdict\nThe Matrix;9\n", source="csv").headers["location"]
    visit.worked()
    review = visit.browser.open(path).text
    assert "no id and no title" in review
    assert "</bdi>: " not in review


def test_a_file_is_uploaded_reviewed_applied_and_undone(visit: Visit) -> None:
    browser = visit.browser
    assert 'enctype="multipart/form-data"' in browser.open("/import").text
    answer = visit.upload(RATINGS)
    assert answer.status_code == 303
    path = answer.headers["location"]
    reading = browser.open(path).text
    assert "Reading" in reading
    assert '<meta http-equiv="refresh"' in reading
    visit.worked()
    review = browser.open(path).text
    assert "Ready for you to review" in review
    assert "★ 9" in review
    assert "&lt;b&gt;" in review
    assert "<b>" not in review
    assert "Several films" in review
    chosen = browser.send(f"{path}/change", row="2", movie="7")
    assert chosen.headers["location"] == path
    changed = browser.send(f"{path}/change", scale="10", prefer="mine")
    assert changed.status_code == 303
    assert "★ 4,5" in browser.open(path, **{"accept-language": "de"}).text
    assert browser.open(f"{path}?class=unmatched").status_code == 200
    refused = browser.send(f"{path}/change", scale="7")
    assert (refused.status_code, "Must be one of 5, 10, 20, 100" in refused.text) == (400, True)

    assert browser.send(f"{path}/apply").status_code == 303
    visit.worked()
    events = browser.open(f"{path}/events").text
    assert 'event: end\ndata: {"status":"done","done":2,"failed":0,"total":2' in events
    assert "Undo" in browser.open(path).text
    assert browser.send(f"{path}/undo").status_code == 303
    visit.worked()
    assert "Undone" in browser.open(path).text
    assert "ratings.csv" in browser.open("/import").text
    assert browser.send(f"{path}/delete").headers["location"] == "/import"
    assert browser.open(path).status_code == 404


def test_the_columns_of_a_table_of_ones_own_are_chosen(visit: Visit) -> None:
    table = "What;<When>;Verdict\nThe Matrix (1999);4/3/2024;9\n"
    refused = visit.upload(table, "mine.csv").headers["location"]
    visit.worked()
    assert "upload it again as that" in visit.browser.open(refused).text
    path = visit.upload(table, "mine.csv", "csv").headers["location"]
    visit.worked()
    page = visit.browser.open(path).text
    assert "<details open><summary>Columns of the table</summary>" in page
    assert '<option value="&lt;when&gt;">&lt;when&gt;</option>' in page
    columns = {"column_title": "what", "column_watched_on": "<when>", "column_rating": "verdict"}
    assert visit.browser.send(f"{path}/change", columns="1", **columns).headers["location"] == path
    visit.worked()
    page = visit.browser.open(path).text
    assert '<option value="verdict" selected>verdict</option>' in page
    assert "★ 9" in page
    assert "seen on" not in page
    visit.browser.send(f"{path}/change", columns="1", column_date_order="dmy", **columns)
    visit.worked()
    assert "seen on 4 March 2024" in visit.browser.open(path).text
    without = {"columns": "1", "column_title": "what", "column_watched_on": "<when>"}
    visit.browser.send(f"{path}/change", column_date_order="mdy", **without)
    visit.worked()
    page = visit.browser.open(path).text
    assert ("★ 9" in page, "seen on 3 April 2024" in page) == (False, True)
    assert visit.browser.send(f"{path}/change", columns="1", column_date_order="ymd").status_code == 400


def test_the_order_of_dates_is_chosen_for_tables_of_services_too(visit: Visit) -> None:
    table = f"{HEADER},Rating,Rewatch,Tags,Watched Date\n4/3/2024,The Matrix,1999,u,4.5,,,4/3/2024\n"
    path = visit.upload(table, "diary.csv").headers["location"]
    visit.worked()
    page = visit.browser.open(path).text
    assert 'name="column_date_order"' in page
    assert 'name="column_title"' not in page
    visit.browser.send(f"{path}/change", columns="1", column_date_order="mdy")
    visit.worked()
    assert "seen on 3 April 2024" in visit.browser.open(path).text


def test_an_import_that_no_worker_reads_can_be_deleted(visit: Visit) -> None:
    path = visit.upload(RATINGS).headers["location"]
    visit.jobs.runs.clear()
    assert "Delete this import" in visit.browser.open(path).text
    assert visit.browser.send(f"{path}/delete").headers["location"] == "/import"


def test_an_arrow_leads_only_to_what_a_row_becomes(visit: Visit) -> None:
    rows = ("The Matrix,1999,u,4.5", "The Matrix,1999,u,", "Twin,,u,eleven")
    content = "\n".join((f"{HEADER},Rating", *(f"2024-01-02,{row}" for row in rows)))
    path = visit.upload(content).headers["location"]
    visit.worked()
    table = Page(visit.browser.open(path).text).text.partition("Result")[2]
    assert "4.5 → ★ 9" in table
    assert "eleven" in table
    assert table.count("→") == 1


def test_what_goes_wrong_is_told(visit: Visit) -> None:
    missing = visit.browser.client.post("/import", files={"other": (None, "x")})
    assert (missing.status_code, 'id="file-fault"' in missing.text) == (400, True)
    path = visit.upload("nothing of use", "notes.txt").headers["location"]
    visit.worked()
    assert "no export of a service" in visit.browser.open(path).text
    assert visit.browser.send(f"{path}/apply").status_code == 409
    assert visit.browser.open("/import/nonsense").status_code == 404
