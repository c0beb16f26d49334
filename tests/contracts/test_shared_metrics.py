"""Metrics that processes share, on full, small, damaged and missing disks."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from adapters.metrics import shared
from adapters.metrics.shared import SharedFile, readable
from adapters.metrics.slots import Slots
from entrypoints.processes import metrics_directory
from tests.contracts.small_disk import fill, small_disk

KEY = mmap_key("a", "a_total", ["outcome"], ["ok"], "What is counted.")
OTHER = mmap_key("a", "a_total", ["outcome"], ["not"], "What is counted.")


def stored(path: Path) -> dict[str, float]:
    """The figures that other processes read."""
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))}  # type: ignore[no-untyped-call]


@pytest.fixture(params=["disk", "memory"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path on a disk, and one in memory if /dev/shm exists."""
    if request.param == "disk":
        monkeypatch.setattr(shared, "_in_memory", lambda _: False)
        yield tmp_path / "counter_1.db"
        return
    place = metrics_directory.SHARED_MEMORY / f"matinee-test-{os.getpid()}.db"
    try:
        place.touch()
    except OSError:
        pytest.skip("there is no /dev/shm")
    yield place
    place.unlink()


def test_a_figure_is_visible_to_other_processes_and_to_the_next(file: Path) -> None:
    one = SharedFile(file, retry_after=0)
    one.write(KEY, one.read(KEY) + 2.5)
    assert stored(file) == {KEY: 2.5}
    one.write(OTHER, 7)
    one.close()
    two = SharedFile(file, retry_after=0)
    assert (two.read(KEY), two.read(OTHER)) == (2.5, 7)
    two.close()


def test_a_file_grows_with_what_is_counted(file: Path) -> None:
    keys = [mmap_key("a", "a_total", ["n"], [str(number)], "x" * 200) for number in range(1500)]
    one = SharedFile(file, retry_after=0)
    for number, key in enumerate(keys):
        one.write(key, number)
    assert file.stat().st_size > shared.SIZE * 4
    assert stored(file) == {key: number for number, key in enumerate(keys)}
    one.close()
    two = SharedFile(file, retry_after=0)
    two.write(keys[0], 42)
    assert stored(file)[keys[0]] == 42
    two.close()


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"\xff" * 100, bytes(100), b"\x64\x00\x00\x00" + b"\xff" * 200]
)
def test_a_damaged_file_is_replaced(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    one = SharedFile(file, retry_after=0)
    one.write(KEY, 1)
    assert stored(file) == {KEY: 1}
    one.close()


def test_damaged_files_are_not_read(tmp_path: Path) -> None:
    for name, content in {
        "empty": b"",
        "short": b"\x01",
        "long": b"\xff\xff\x00\x00\x00\x00\x00\x00",
    }.items():
        (tmp_path / f"counter_{name}.db").write_bytes(content)
    (tmp_path / "counter_9.db").mkdir()
    one = SharedFile(tmp_path / "counter_1.db")
    one.write(KEY, 1)
    assert list(readable(tmp_path)) == [str(tmp_path / "counter_1.db")]
    one.close()


def refusing(error: int) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise OSError(error, os.strerror(error))

    return refuse


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG])
def test_figures_that_cannot_be_written_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    monkeypatch.setattr(shared, "_in_memory", lambda _: False)
    file = tmp_path / "counter_1.db"
    one = SharedFile(file, retry_after=0)
    one.write(KEY, 1)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refusing(error))
        for number in range(2, 5):
            one.write(KEY, number)
            one.write(OTHER, number)
        assert (one.read(KEY), one.read(OTHER)) == (4, 4)
        assert stored(file) == {KEY: 1}
    assert caplog.text.count("cannot be written") == 1
    one.write(KEY, 5)
    assert stored(file) == {KEY: 5, OTHER: 4}
    one.close()


def test_opening_a_file_is_retried_only_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def refuse(path: object, *_: object) -> NoReturn:
        tries.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", refuse)
    one = SharedFile(tmp_path / "counter_1.db")
    for number in range(1000):
        one.write(KEY, number)
    assert one.read(KEY) == 999
    assert len(tries) < 10


ON_A_FULL_DISK = """
import sys
from pathlib import Path
from adapters.metrics import shared, slots
shared.RETRY_AFTER = slots.RETRY_AFTER = 0
from adapters.metrics.prometheus import PrometheusMeter

meter = PrometheusMeter(Path(sys.argv[1]), memory=lambda _: None)
print("ready", flush=True)
for line in sys.stdin:
    for number in range(200):
        meter.answered("GET", f"/{line.strip()}/{number}", 200, 0.01)
        meter.counted("tmdb", "ok")
    print(meter.page([]).decode().count("request_duration_seconds_count"), flush=True)
"""


@pytest.mark.parametrize("full_from", ["the start", "later"])
def test_a_process_counts_on_a_full_disk_and_recovers(tmp_path: Path, full_from: str) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk, ExitStack() as cleaned:
        metrics = disk / "metrics"
        metrics.mkdir()
        filler = fill(disk) if full_from == "the start" else None
        process = subprocess.Popen(
            [sys.executable, "-c", ON_A_FULL_DISK, str(metrics)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        cleaned.callback(process.kill)

        def ask(word: str) -> int:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        before = ask("a")
        filler = filler or fill(disk)
        ask("b")
        ask("c")
        assert process.poll() is None
        filler.unlink()
        after = ask("a")
        assert after >= before
        if full_from == "later":
            assert before == 200
        process.communicate(timeout=30)
        assert process.returncode == 0


# The slots, and the directory.


def test_without_a_slot_a_process_counts_alone_and_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("adapters.metrics.slots.RETRY_AFTER", 0.0)
    slots = Slots(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "open", refusing(errno.ENOSPC))
        assert slots.claim() is None
    assert "No space left" in caplog.text
    assert slots.claim() == 1
    slots.release()


def test_a_slot_is_valid_although_its_process_id_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refusing(errno.ENOSPC))
        assert slots.claim() == 1
    assert list(slots.in_use()) == []
    slots.release()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in place of /dev/shm."""
    memory = tmp_path / "shm"
    memory.mkdir()
    monkeypatch.setattr(metrics_directory, "SHARED_MEMORY", memory)
    return memory


def test_the_metrics_directory_is_in_memory_and_emptied_and_removed(tmp_path: Path, memory: Path) -> None:
    first = metrics_directory.create(tmp_path)
    assert first
    assert first.parent == memory
    assert first.stat().st_mode & 0o077 == 0
    (first / "counter_1.db").write_bytes(b"old")
    again = metrics_directory.create(tmp_path)
    assert again == first  # after a kill it is found again
    assert list(first.iterdir()) == []
    assert metrics_directory.create(tmp_path / "another") != first
    metrics_directory.remove(first)
    assert not first.exists()


def test_two_data_directories_have_separate_metrics(tmp_path: Path, memory: Path) -> None:
    assert metrics_directory.create(tmp_path / "one") != metrics_directory.create(tmp_path / "two")


def stranger(place: Path) -> None:
    place.symlink_to(place.parent)


@pytest.mark.parametrize("taken", [stranger, Path.touch])
def test_a_foreign_file_at_the_path_is_not_touched(
    tmp_path: Path, memory: Path, taken: Callable[[Path], Any]
) -> None:
    place = metrics_directory.create(tmp_path)
    assert place
    place.rmdir()
    taken(place)
    assert metrics_directory.create(tmp_path) == tmp_path / "metrics"
    assert os.path.lexists(place)


def test_without_free_memory_the_data_directory_is_used(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_directory, "MIN_FREE_BYTES", 2**62)
    assert metrics_directory.create(tmp_path) == tmp_path / "metrics"
    metrics_directory.remove(tmp_path / "metrics")
    assert (tmp_path / "metrics").exists()


def test_without_any_directory_each_process_counts_alone(
    tmp_path: Path, memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory.rmdir()
    (tmp_path / "file").touch()
    assert metrics_directory.create(tmp_path / "file") is None
    assert "cannot be stored" in caplog.text
    metrics_directory.remove(None)
