"""Short outages under load; `make outages` runs longer ones."""

from collections.abc import Iterator

import pytest

from tests.outages.environment import Environment, on_one_machine, on_several_hosts
from tests.outages.scenarios import REDIS, STORAGE, TMDB, Outage, run_outage

CLIENTS = 4
PAUSE = 0.2

SECONDS = dict.fromkeys((*REDIS, *STORAGE), 4.0) | dict.fromkeys(TMDB, 13.0)
"""The result of a probe of TMDB is cached for ten."""


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with on_one_machine(tmp_path_factory.mktemp("one")) as environment:
        yield environment


@pytest.fixture(scope="module")
def several_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with on_several_hosts(tmp_path_factory.mktemp("several")) as environment:
        yield environment


def names(outage: object) -> str:
    return outage.name if isinstance(outage, Outage) else ""


@pytest.mark.parametrize("outage", [*REDIS, TMDB[1], TMDB[3]], ids=names)
def test_on_one_machine_the_service_recovers_from_outages(one_machine: Environment, outage: Outage) -> None:
    assert (
        run_outage(one_machine, outage, clients=CLIENTS, seconds=SECONDS[outage], pause=PAUSE).violations()
        == []
    )
    assert "Traceback" not in one_machine.log("serve")


@pytest.mark.parametrize("outage", [REDIS[1], REDIS[2], *STORAGE], ids=names)
def test_on_several_hosts_the_service_recovers_from_outages(
    several_hosts: Environment, outage: Outage
) -> None:
    assert (
        run_outage(several_hosts, outage, clients=CLIENTS, seconds=SECONDS[outage], pause=PAUSE).violations()
        == []
    )
    for name in several_hosts.processes:
        assert "Traceback" not in several_hosts.log(name)
