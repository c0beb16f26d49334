"""`matinee users`: creates, lists and changes accounts, and invites people."""

import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click
from rich.markup import escape
from rich.table import Table

from application.accounts import ListUsers
from domain.emails import validate_email
from domain.errors import FaultCode, InvalidText, check_all
from domain.invitations import MAX_USES
from domain.pagination import Window
from domain.users import Role, User, validate_username
from entrypoints.cli.context import data_dir_option, examples, running_command
from entrypoints.cli.errors import exit_with
from entrypoints.cli.groups import SuggestingGroup
from entrypoints.durations import parse_validity
from entrypoints.http.schemas import rfc3339
from entrypoints.progress import OutputConsole

if TYPE_CHECKING:
    from entrypoints.container import Container

PAGE_SIZE = 500
"""Accounts that are read at a time."""

MAX_PASSWORD_BYTES = 4096
"""Bytes of standard input that are read for a password."""

email_option = click.option("--email", required=True, metavar="EMAIL", help="E-mail address to sign in with.")
email_argument = click.argument("email")


class Duration(click.ParamType[timedelta]):
    """A duration such as `7d`."""

    name = "DURATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse a duration; a number without a unit is in seconds."""
        try:
            return parse_validity(int(value) if value.isdecimal() else value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


@click.group(cls=SuggestingGroup)
def users() -> None:
    """Make, list and change accounts, and invite people."""


@users.command(
    epilog=examples(
        "matinee users create --email ada@example.org --username ada --admin\n"
        "matinee users create --data-dir ~/films --email ada@example.org --username ada\n"
        "matinee users create --email bob@example.org --username bob < password.txt"
    )
)
@email_option
@click.option("--username", required=True, metavar="NAME", help="3 to 30 letters, digits, _ . or -")
@click.option("--admin", is_flag=True, help="Make the account an administrator's.")
@data_dir_option
def create(email: str, username: str, data_dir: str | None, *, admin: bool) -> None:
    """Make an account.

    On a terminal the password is prompted for twice, without echo; otherwise it is the first line of standard
    input. A missing store is made: name the data directory of `matinee serve` unless it is the default.
    """
    with running_command(data_dir, create=True) as (container, settings):
        role = Role.ADMIN if admin else Role.USER
        password = _read_password()
        if not password:
            check_all(partial(validate_username, username), partial(validate_email, email), _require_password)
        user = container.create_user()(username=username, email=email, password=password, role=role)
        click.echo(f"{_full_name(user)} can sign in ({user.role}).")
        if settings.embedded:
            click.echo(f"The account is in the data directory {settings.data_path.resolve()}.", err=True)


@users.command("list", epilog=examples("matinee users list\nmatinee users list | cut -f 3"))
@data_dir_option
def list_(data_dir: str | None) -> None:
    """List all accounts, the oldest first.

    A table on a terminal; elsewhere lines of id, username, e-mail, role, state (enabled or disabled) and time
    of creation, separated by tabs.
    """
    with running_command(data_dir) as (container, _):
        _print_accounts(list(_all_accounts(container.list_users())))


@users.command(epilog=examples("matinee users promote ada@example.org"))
@email_argument
@data_dir_option
def promote(email: str, data_dir: str | None) -> None:
    """Make an account an administrator's."""
    with running_command(data_dir) as (container, _):
        user = _change(container, email, role=Role.ADMIN)
        click.echo(f"{_full_name(user)} is an admin.")


@users.command(epilog=examples("matinee users demote ada@example.org"))
@email_argument
@data_dir_option
def demote(email: str, data_dir: str | None) -> None:
    """Make an administrator's account an ordinary one. The last admin stays one."""
    with running_command(data_dir) as (container, _):
        user = _change(container, email, role=Role.USER)
        click.echo(f"{_full_name(user)} is an ordinary user.")


@users.command(epilog=examples("matinee users disable bob@example.org"))
@email_argument
@data_dir_option
def disable(email: str, data_dir: str | None) -> None:
    """Keep an account from signing in, and end its sessions. Its data stays."""
    with running_command(data_dir) as (container, _):
        user = _change(container, email, disabled=True)
        click.echo(f"{_full_name(user)} is disabled and signed out everywhere.")


@users.command(epilog=examples("matinee users enable bob@example.org"))
@email_argument
@data_dir_option
def enable(email: str, data_dir: str | None) -> None:
    """Let a disabled account sign in again."""
    with running_command(data_dir) as (container, _):
        user = _change(container, email, disabled=False)
        click.echo(f"{_full_name(user)} can sign in again.")


@users.command(
    epilog=examples(
        "matinee users password ada@example.org\nmatinee users password ada@example.org < password.txt"
    )
)
@email_argument
@data_dir_option
def password(email: str, data_dir: str | None) -> None:
    """Give an account a new password, for somebody who has lost theirs, and end its sessions.

    On a terminal the password is prompted for twice, without echo; otherwise it is the first line of standard
    input.
    """
    with running_command(data_dir) as (container, _):
        user = container.find_user()(email=email)
        chosen = _read_password() or _require_password()
        container.change_user()(user=user.id, password=chosen)
        click.echo(f"{_full_name(user)} has a new password and is signed out everywhere.")


@users.command(
    epilog=examples("matinee users delete bob@example.org\nmatinee users delete --yes bob@example.org")
)
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def delete(email: str, data_dir: str | None, *, yes: bool) -> None:
    """Delete an account with all that is its own: ratings, watchlist, diary, imports and sessions.

    This cannot be undone, so a terminal is asked to confirm; without a terminal, --yes is required.
    """
    with running_command(data_dir) as (container, _):
        user = container.find_user()(email=email)
        if not yes:
            _confirm(f"Delete {_full_name(user)} with all ratings, the watchlist, the diary and imports?")
        container.delete_user()(user=user.id)
        click.echo(f"{_full_name(user)} is deleted.")


@users.command(epilog=examples("matinee users invite\nmatinee users invite --uses 5 --expires-in 30d"))
@click.option(
    "--uses", type=click.IntRange(1, MAX_USES), default=1, show_default=True, help="Accounts it can make."
)
@click.option("--expires-in", type=Duration(), default="7d", show_default=True, help="How long it is valid.")
@data_dir_option
def invite(uses: int, expires_in: timedelta, data_dir: str | None) -> None:
    """Make the code of an invitation, with which people can register where REGISTRATION=invite.

    The code goes to standard output; it is shown only this once.
    """
    with running_command(data_dir) as (container, settings):
        invitation, code = container.create_invitation()(valid_for=expires_in, uses=uses)
        click.echo(code)
        accounts = "one account" if uses == 1 else f"{uses} accounts"
        click.echo(
            f"This code can make {accounts} until {rfc3339(invitation.expires_at)}: "
            'whoever registers sends it as "invitation".',
            err=True,
        )
        if settings.registration != "invite":
            click.echo(
                f"matinee: warning: REGISTRATION is {settings.registration}, so the code is not "
                f"{'needed' if settings.registration == 'open' else 'accepted'}; set REGISTRATION=invite",
                err=True,
            )


def _change(
    container: "Container", email: str, *, role: Role | None = None, disabled: bool | None = None
) -> User:
    """Change an account and return it. Raises UserNotFound, LastAdmin."""
    user = container.find_user()(email=email)
    return container.change_user()(user=user.id, role=role, disabled=disabled)


def _full_name(user: User) -> str:
    return f"{user.username} <{user.email}>"


def _confirm(question: str) -> None:
    """Exit unless the user confirms."""
    if not sys.stdin.isatty():
        exit_with(2, "nobody can be asked here: add --yes to delete without asking")
    if not click.confirm(question, err=True):
        exit_with(1, "nothing was deleted")


def _all_accounts(list_users: ListUsers) -> Iterator[User]:
    window = Window(limit=PAGE_SIZE)
    while True:
        page = list_users(window=window)
        yield from page.rows
        if not page.more:
            return
        window = Window(limit=PAGE_SIZE, cursor=page.rows[-1].cursor)


def _read_password() -> str:
    """Prompt for a password twice on a terminal, else read one line; empty if there is none."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.buffer.readline(MAX_PASSWORD_BYTES).decode(errors="surrogateescape").rstrip("\r\n")


def _require_password() -> NoReturn:
    raise InvalidText("password", "is missing: standard input is empty", FaultCode.REQUIRED)


def _print_accounts(users: Sequence[User]) -> None:
    """Print a table of accounts, or tab-separated lines if standard output is not a terminal."""
    console = OutputConsole()
    table = Table("id", "username", "e-mail", "role", "state", "created")
    for user in users:
        state = "disabled" if user.disabled else "enabled"
        row = (user.id, user.username, user.email, user.role, state, rfc3339(user.created_at))
        if console.is_terminal:
            table.add_row(*map(escape, row))
        else:
            click.echo("\t".join(row))
    if console.is_terminal:
        console.print(table)
