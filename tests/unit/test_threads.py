"""The threads in which handlers wait for the store."""

from threading import Event

import pytest

from entrypoints.http.errors import ServerFull
from entrypoints.http.threads import PatientThreads


def test_work_is_done_and_its_result_comes_back() -> None:
    with PatientThreads(threads=1) as threads:
        assert threads.submit(divmod, 7, 2).result() == (3, 1)


def test_who_has_waited_too_long_for_a_thread_is_refused_and_not_served() -> None:
    over = Event()
    done: list[str] = []
    with PatientThreads(threads=1, patience=0.01) as threads:
        busy = threads.submit(over.wait, 10)
        late = threads.submit(done.append, "late")
        Event().wait(0.05)
        over.set()
        with pytest.raises(ServerFull):
            late.result()
        assert busy.result()
    assert done == []
