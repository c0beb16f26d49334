"""Lines of the log that are formatted in batches equal those that are formatted one at a time."""

import logging
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.ids import UserId
from entrypoints.http.access_log import RequestRecord
from entrypoints.observability.formatter import LineFormatter
from entrypoints.observability.redaction import Redactor

KNOWN = ["a-known-secret", "GET", 'a "quoted" secret', "é\\secret", "603", "request"]

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([
        "/api/v1/movies/603", "/api/v1/movies/{id}", "none", "GET", "a.b", "/a?token=abc", "/Cookie: x",
        "bearer abc", "/x\x1b[2K", "/\u2028", "\ud800", '/"quoted"', "/back\\slash", "/a-known-secret/1",
        'a "quoted" secret', "é\\secret", "mongodb://a:b@c", "eyJhbGciOi.eyJzdWIiOi.sig", "/ünïcode/電影",
    ]),
)  # fmt: skip

RECORDS = st.builds(
    RequestRecord,
    request_id=TEXTS,
    method=TEXTS,
    route=TEXTS,
    path=TEXTS,
    status=st.integers(100, 599),
    seconds=st.one_of(st.floats(0, 0.01), st.floats(0, 1e12)),
    user=st.none() | st.builds(UserId, TEXTS),
    cache=st.sampled_from([None, "HIT", "MISS"]),
    at=st.integers(0, 2**61),
)


def alone(formatter: LineFormatter, record: RequestRecord) -> str:
    """The line of a record that goes through `logging`."""
    fields: dict[str, Any] = record.fields()
    one = logging.getLogger("matinee.requests").makeRecord(
        "matinee.requests", logging.INFO, "", 0, "request", (), None, extra=fields
    )
    one.created = record.at // 1_000_000 / 1000
    return formatter.format(one)


@pytest.mark.parametrize("for_people", [False, True])
@pytest.mark.parametrize("secrets", [[], KNOWN[:1], KNOWN])
@given(records=st.lists(RECORDS, min_size=1, max_size=5))
@example(records=[RequestRecord("1", "GET", "none", "/token=abc", 200, 0.1), RequestRecord("2", "GET", "none", "/", 200, 0.1)])  # fmt: skip  # noqa: E501
def test_lines_of_a_batch_equal_lines_of_single_records(
    for_people: bool, secrets: list[str], records: list[RequestRecord]
) -> None:
    formatter = LineFormatter(Redactor(secrets), "api", for_people=for_people)

    lines = formatter.lines("matinee.requests", "request", records)

    assert lines == [alone(formatter, record) for record in records]


@given(st.lists(TEXTS), st.lists(st.sampled_from(KNOWN), unique=True))
def test_texts_that_are_certainly_kept_are_kept(texts: list[str], secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    if redactor.keeps(texts):
        assert [redactor.value(text) for text in texts] == texts


def test_usual_requests_are_recognized_as_without_secrets() -> None:
    texts = ["/api/v1/movies/603", "167eece851f84a8796388e754c33c75c", "8e7b1c04d9b44b6f9a2d3c51", "GET"]

    assert Redactor(KNOWN[:1]).keeps(texts)
    assert not Redactor(KNOWN[:1]).keeps([*texts, "/a-known-secret"])
