"""Short outages under load; `make outages` runs longer ones."""

from collections.abc import Iterator

import pytest

from tests.outages.place import Place, on_one_machine, on_several_hosts
from tests.outages.scenarios import REDIS, STORAGE, TMDB, Outage, play

CLIENTS = 4
PAUSE = 0.2

SECONDS = dict.fromkeys((*REDIS, *STORAGE), 4.0) | dict.fromkeys(TMDB, 13.0)
"""The result of a probe of TMDB is cached for ten."""


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with on_one_machine(tmp_path_factory.mktemp("one")) as place:
        yield place


@pytest.fixture(scope="module")
def several_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with on_several_hosts(tmp_path_factory.mktemp("several")) as place:
        yield place


def names(outage: object) -> str:
    return outage.name if isinstance(outage, Outage) else ""


@pytest.mark.parametrize("outage", [*REDIS, TMDB[1], TMDB[3]], ids=names)
def test_on_one_machine_the_service_recovers_from_outages(one_machine: Place, outage: Outage) -> None:
    assert play(one_machine, outage, clients=CLIENTS, seconds=SECONDS[outage], pause=PAUSE).faults() == []
    assert "Traceback" not in one_machine.log("serve")


@pytest.mark.parametrize("outage", [REDIS[1], REDIS[2], *STORAGE], ids=names)
def test_on_several_hosts_the_service_recovers_from_outages(several_hosts: Place, outage: Outage) -> None:
    assert play(several_hosts, outage, clients=CLIENTS, seconds=SECONDS[outage], pause=PAUSE).faults() == []
    for name in several_hosts.processes:
        assert "Traceback" not in several_hosts.log(name)
