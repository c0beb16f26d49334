"""The banner of `serve`: addresses for this machine and for others."""

import os
import socket
import sys
from pathlib import Path
from typing import Literal

import pytest

from entrypoints.console import echo
from entrypoints.processes import banner as banners
from entrypoints.processes.banner import banner, lan_addresses
from entrypoints.settings import Settings

DEFAULTS = Settings()


class Listener(socket.socket):
    """A socket that claims to be bound to an address. Tests bind to loopback only."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    def getsockname(self) -> tuple[str, int]:
        return self.host, 8080


def shown(host: str, settings: Settings = DEFAULTS) -> list[str]:
    with Listener(host) as listener:
        return banner(settings, listener).splitlines()


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sets the network addresses of this machine."""
    addresses = ["192.168.1.20", "fd00::20"]
    monkeypatch.setattr(banners, "lan_addresses", lambda: addresses)
    return addresses


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080")]
)
def test_a_loopback_host_has_no_address_for_other_machines(host: str, url: str) -> None:
    lines = shown(host)
    assert lines[:3] == [f"Pages {url}/", f"API   {url}/api/v1/movies", f"Docs  {url}/api/v1/docs"]
    assert not [line for line in lines if line.startswith("LAN")]
    assert lines[-1] == "Stop  Ctrl-C"


def test_the_wildcard_host_has_addresses_for_this_and_other_machines() -> None:
    lines = shown("0.0.0.0")
    assert "Docs  http://127.0.0.1:8080/api/v1/docs" in lines
    assert [line for line in lines if line.startswith("LAN")] == ["LAN   http://192.168.1.20:8080/"]
    both = shown("::")
    assert "Docs  http://[::1]:8080/api/v1/docs" in both
    assert [line for line in both if line.startswith("LAN")] == [
        "LAN   http://192.168.1.20:8080/",
        "LAN   http://[fd00::20]:8080/",
    ]
    assert "0.0.0.0" not in "\n".join(lines)


def test_an_address_of_the_network_is_shown_unchanged() -> None:
    lines = shown("192.168.1.20")
    assert "API   http://192.168.1.20:8080/api/v1/movies" in lines
    assert "LAN   http://192.168.1.20:8080/" in lines
    without_pages = shown("192.168.1.20", Settings(web="false"))
    assert "LAN   http://192.168.1.20:8080/api/v1/docs" in without_pages


@pytest.mark.parametrize(
    ("registration", "invitation", "joins"),
    [("open", False, True), ("invite", True, True), ("closed", False, False)],
)
def test_the_banner_shows_how_to_register(
    registration: Literal["open", "invite", "closed"], invitation: bool, joins: bool
) -> None:
    text = "\n".join(shown("127.0.0.1", Settings(registration=registration, data_dir="/films")))
    assert ("/auth/register" in text) is joins
    assert ('"invitation": "CODE"' in text) is invitation
    assert ("matinee users invite --data-dir /films" in text) is invitation
    assert "matinee users create --data-dir /films --admin" in text


def test_the_banner_shows_a_command_that_the_shell_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "my films" / "matinee"
    program.parent.mkdir()
    program.touch(mode=0o755)
    settings = Settings(data_dir="/films")
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/usr/bin")
    admin = "users create --data-dir /films --admin --email ada@example.org --username ada"
    assert f"Admin '{program}' {admin}" in shown("127.0.0.1", settings)
    monkeypatch.setenv("PATH", f"/usr/bin:{program.parent}")
    assert f"Admin matinee {admin}" in shown("127.0.0.1", settings)
    monkeypatch.setattr("sys.argv", ["/usr/lib/entrypoints/__main__.py"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert f"Admin matinee {admin}" in shown("127.0.0.1", settings)


def test_the_banner_reports_a_missing_network(network: list[str]) -> None:
    network.clear()
    assert "LAN   this machine has no address in a network at the moment" in shown("0.0.0.0")


def test_addresses_of_this_machine_only_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banners, "_addresses_by_route", lambda: iter(["10.0.0.5", "127.0.0.1", "fe80::1"]))
    monkeypatch.setattr(
        banners, "_addresses_by_interface", lambda: iter(["169.254.3.4", "10.0.0.5", "10.1.0.5"])
    )
    assert lan_addresses() == ["10.0.0.5", "10.1.0.5"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_addresses_are_read_from_routes_and_interfaces() -> None:
    for found in (list(banners._addresses_by_route()), list(banners._addresses_by_interface())):
        for address in found:
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def test_a_banner_to_a_closed_pipe_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        echo("one")
        echo("two")
