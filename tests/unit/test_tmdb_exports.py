"""The daily file of all movies is read whatever its lines contain."""

import gzip
import json

import pytest

from adapters.tmdb import exports
from adapters.tmdb.exports import read_export
from adapters.tmdb.payloads import Unusable
from domain.sync import ExportedIds


def line(number: int, **more: object) -> bytes:
    return json.dumps({"id": number, "adult": False, "video": False, "popularity": 5.0} | more).encode()


def read(*lines: bytes, least: float = 0.0, size: int = 7) -> ExportedIds:
    packed = gzip.compress(b"\n".join(lines))
    return read_export((packed[at : at + size] for at in range(0, len(packed), size)), least)


def test_the_most_popular_movies_come_first_and_those_below_the_least_popularity_are_left_out() -> None:
    lines = [line(1, popularity=2), line(2, popularity=9.5), line(3), line(4, popularity=None), b"", line(5)]

    assert list(read(*lines, least=3).tmdb_ids) == [2, 3, 5]
    assert list(read(*lines).tmdb_ids) == [2, 3, 5, 1, 4]


@pytest.mark.parametrize("more", [{"adult": True}, {"adult": None}, {"adult": 0}, {"video": True}])
def test_what_is_not_plainly_for_everyone_and_videos_are_left_out(more: dict[str, object]) -> None:
    found = read(line(1, **more), line(2))

    assert (list(found.tmdb_ids), found.skipped) == ([2], 0)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'"\xff"', "no JSON object"),
        (b'{"id": "7"}', "no id"),
        (b'{"id": 0}', "no id"),
        (line(7, popularity="high"), "popularity cannot be read: 'high'"),
        (line(7, title="x" * exports.MAX_LINE), "too long"),
    ],
)
def test_a_broken_line_is_counted_and_named_and_the_others_are_read(broken: bytes, reason: str) -> None:
    found = read(line(1), broken, line(2), size=10_000)

    assert (list(found.tmdb_ids), found.skipped) == ([1, 2], 1)
    assert found.problems == (f"line 2 of the file of all movies: {reason}",)


def test_of_many_broken_lines_the_first_are_named_and_the_others_counted() -> None:
    found = read(line(1), *[b"{"] * (exports.MAX_NAMED + 5), size=10_000)

    assert found.skipped == exports.MAX_NAMED + 5
    assert found.problems[-1] == "5 more lines of the file of all movies cannot be read"
    assert len(found.problems) == exports.MAX_NAMED + 1


def test_files_that_are_joined_are_one_file() -> None:
    packed = gzip.compress(line(1) + b"\n") + gzip.compress(line(2))

    assert list(read_export([packed], 0).tmdb_ids) == [1, 2]


WHOLE = gzip.compress(line(1))


@pytest.mark.parametrize(
    "packed",
    [b"", b"<html>", WHOLE[:-9], gzip.compress(b"{\n{"), WHOLE + b"rubbish"],
    ids=["empty", "page", "cut", "unreadable", "followed"],
)
def test_what_is_no_whole_file_is_unusable(packed: bytes) -> None:
    with pytest.raises(Unusable):
        read_export([packed], 0)


def test_a_small_file_that_unpacks_to_a_huge_line_takes_little_memory() -> None:
    packed = gzip.compress(b"x" * 2**25 + b"\n" + line(1))
    longest = max(len(each) for each in exports._lines(exports._unpacked([packed])))

    assert longest <= exports.CHUNK + exports.MAX_LINE + 1
    assert list(read_export([packed], 0).tmdb_ids) == [1]
