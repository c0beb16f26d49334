"""What operators do with people's data: accounts, tallies, exports."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

import click

from application.accounts import ListUsers
from domain.emails import email as check_email
from domain.errors import FaultCode, TextUnfit, check_all
from domain.pagination import Window
from domain.users import Role, User, UserNotFound
from domain.users import username as check_username
from entrypoints import display
from entrypoints.cli.border import Group, data_dir_option, example, opened
from entrypoints.http.exports import json_chunks
from entrypoints.http.queries import ExportFormat

DRIFT_FOUND = 4
"""The exit code of `ratings verify` where tallies are wrong and stay so."""

LISTED_AT_ONCE = 500

LONGEST_LINE = 4096
"""Bytes that are read for a password."""

email_option = click.option("--email", required=True, metavar="EMAIL", help="E-mail address to sign in with.")


@click.group(cls=Group)
def users() -> None:
    """Make, promote and list accounts."""


@users.command(
    epilog=example(
        "matinee users create --email ada@example.org --username ada --admin\n"
        "matinee users create --data-dir ~/films --email ada@example.org --username ada\n"
        "matinee users create --email bob@example.org --username bob < password.txt"
    )
)
@email_option
@click.option("--username", required=True, metavar="NAME", help="3 to 30 letters, digits, _ . or -")
@click.option("--admin", is_flag=True, help="Let the account run the place.")
@data_dir_option
def create(email: str, username: str, data_dir: str | None, *, admin: bool) -> None:
    """Make an account.

    The password is asked for twice, without echo; where standard input is no terminal, it is its first line.
    Where there is no store yet, one is made: name the data directory of `matinee serve` if it has another.
    """
    with opened(data_dir, make=True) as (container, settings):
        role = Role.ADMIN if admin else Role.USER
        password = _password()
        if not password:
            check_all(partial(check_username, username), partial(check_email, email), _miss_password)
        user = container.create_user()(username=username, email=email, password=password, role=role)
        click.echo(f"{user.username} <{user.email}> can sign in ({user.role}).")
        if settings.embedded:
            click.echo(f"The account is in the data directory {settings.data_path.resolve()}.", err=True)


@users.command(
    epilog=example(
        "matinee users promote ada@example.org\nmatinee users promote ada@example.org --data-dir ~/films"
    )
)
@click.argument("email")
@data_dir_option
def promote(email: str, data_dir: str | None) -> None:
    """Make the account with that e-mail address an admin."""
    with opened(data_dir) as (container, _):
        user = container.promote_user()(email=email.strip())
        click.echo(f"{user.username} <{user.email}> is an admin.")


@users.command(
    "list",
    epilog=example(
        "matinee users list\nmatinee users list | cut -f 3\nmatinee users list --data-dir ~/films"
    ),
)
@data_dir_option
def list_(data_dir: str | None) -> None:
    """List all accounts, the oldest first.

    A table on a terminal; elsewhere lines of id, username, e-mail, role, state (enabled or disabled) and time
    of creation, separated by tabs.
    """
    with opened(data_dir) as (container, _):
        display.accounts(list(_everybody(container.list_users())))


@click.group(cls=Group)
def ratings() -> None:
    """See to the movies' tallies of ratings."""


@ratings.command(
    epilog=example(
        "matinee ratings verify\nmatinee ratings verify --repair\nmatinee ratings verify --data-dir ~/films"
    )
)
@click.option("--repair", is_flag=True, help="Set right what is wrong.")
@data_dir_option
def verify(data_dir: str | None, *, repair: bool) -> None:
    """Recount every movie's tally from its ratings.

    Exit code 0: no drift, or all of it repaired; 4: drift was found.
    """
    with opened(data_dir) as (container, _):
        drifts = container.verify_ratings()(repair=repair)
        movies = container.movies().by_ids([drift.movie for drift in drifts])
    display.drifts(drifts, {movie.id: movie for movie in movies}, repaired=repair)
    sys.exit(DRIFT_FOUND if drifts and not repair else 0)


@click.command(
    epilog=example(
        "matinee export --user ada@example.org > ada.json\n"
        "matinee export --user ada@example.org --data-dir ~/films > ada.json"
    )
)
@click.option("--user", "email", required=True, metavar="EMAIL", help="Whose data.")
@click.option(
    "--format",
    "_format",
    type=click.Choice([each.value for each in ExportFormat]),
    default=ExportFormat.JSON.value,
    show_default=True,
    help="How it is written.",
)
@data_dir_option
def export(email: str, _format: str, data_dir: str | None) -> None:
    """Print all data of one user as JSON, as GET /me/export answers it.

    It is written as it is read. Exit code 1: it is not whole.
    """
    with opened(data_dir) as (container, _):
        user = container.users().by_email(email.strip())
        if user is None:
            raise UserNotFound
        for chunk in json_chunks(user, container.export_user()(user=user)):
            click.echo(chunk, nl=False)
        click.echo()


def _everybody(list_users: ListUsers) -> Iterator[User]:
    window = Window(limit=LISTED_AT_ONCE)
    while True:
        page = list_users(window=window)
        yield from page.rows
        if not page.more:
            return
        window = Window(limit=LISTED_AT_ONCE, cursor=page.rows[-1].place)


def _password() -> str:
    """Ask for a password twice, or read a line where nobody can be asked; empty if there is none."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.buffer.readline(LONGEST_LINE).decode(errors="surrogateescape").rstrip("\r\n")


def _miss_password() -> NoReturn:
    raise TextUnfit("password", "is missing: standard input is empty", FaultCode.REQUIRED)
