"""`matinee users`: make, list and change accounts, and invite people."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click

from application.accounts import ListUsers
from domain.emails import email as check_email
from domain.errors import FaultCode, TextUnfit, check_all
from domain.invitations import MOST_USES
from domain.pagination import Window
from domain.users import Role, User
from domain.users import username as check_username
from entrypoints.cli.border import Group, data_dir_option, example, leave, opened
from entrypoints.http.bodies import valid_for
from entrypoints.http.schemas import moment
from entrypoints.observability import console

if TYPE_CHECKING:
    from entrypoints.container import Container

LISTED_AT_ONCE = 500

LONGEST_LINE = 4096
"""Bytes that are read for a password."""

email_option = click.option("--email", required=True, metavar="EMAIL", help="E-mail address to sign in with.")
email_argument = click.argument("email")


class Duration(click.ParamType[timedelta]):
    """A duration such as `7d`."""

    name = "DURATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read one, in seconds if there is no unit."""
        try:
            return valid_for(int(value) if value.isdecimal() else value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


@click.group(cls=Group)
def users() -> None:
    """Make, list and change accounts, and invite people."""


@users.command(
    epilog=example(
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

    The password is asked for twice, without echo; where standard input is no terminal, it is its first line.
    Where there is no store yet, one is made: name the data directory of `matinee serve` if it has another.
    """
    with opened(data_dir, make=True) as (container, settings):
        role = Role.ADMIN if admin else Role.USER
        password = _password()
        if not password:
            check_all(partial(check_username, username), partial(check_email, email), _miss_password)
        user = container.create_user()(username=username, email=email, password=password, role=role)
        click.echo(f"{_named(user)} can sign in ({user.role}).")
        if settings.embedded:
            click.echo(f"The account is in the data directory {settings.data_path.resolve()}.", err=True)


@users.command("list", epilog=example("matinee users list\nmatinee users list | cut -f 3"))
@data_dir_option
def list_(data_dir: str | None) -> None:
    """List all accounts, the oldest first.

    A table on a terminal; elsewhere lines of id, username, e-mail, role, state (enabled or disabled) and time
    of creation, separated by tabs.
    """
    with opened(data_dir) as (container, _):
        console.accounts(list(_everybody(container.list_users())))


@users.command(epilog=example("matinee users promote ada@example.org"))
@email_argument
@data_dir_option
def promote(email: str, data_dir: str | None) -> None:
    """Make an account an administrator's."""
    with opened(data_dir) as (container, _):
        user = _changed(container, email, role=Role.ADMIN)
        click.echo(f"{_named(user)} is an admin.")


@users.command(epilog=example("matinee users demote ada@example.org"))
@email_argument
@data_dir_option
def demote(email: str, data_dir: str | None) -> None:
    """Make an administrator's account an ordinary one. The last admin stays one."""
    with opened(data_dir) as (container, _):
        user = _changed(container, email, role=Role.USER)
        click.echo(f"{_named(user)} is an ordinary user.")


@users.command(epilog=example("matinee users disable bob@example.org"))
@email_argument
@data_dir_option
def disable(email: str, data_dir: str | None) -> None:
    """Keep an account from signing in, and end its sessions. Its ratings and its watchlist stay."""
    with opened(data_dir) as (container, _):
        user = _changed(container, email, disabled=True)
        click.echo(f"{_named(user)} is disabled and signed out everywhere.")


@users.command(epilog=example("matinee users enable bob@example.org"))
@email_argument
@data_dir_option
def enable(email: str, data_dir: str | None) -> None:
    """Let a disabled account sign in again."""
    with opened(data_dir) as (container, _):
        user = _changed(container, email, disabled=False)
        click.echo(f"{_named(user)} can sign in again.")


@users.command(
    epilog=example(
        "matinee users password ada@example.org\nmatinee users password ada@example.org < password.txt"
    )
)
@email_argument
@data_dir_option
def password(email: str, data_dir: str | None) -> None:
    """Give an account a new password, for somebody who has lost theirs, and end its sessions.

    The password is asked for twice, without echo; where standard input is no terminal, it is its first line.
    """
    with opened(data_dir) as (container, _):
        user = container.find_user()(email=email)
        chosen = _password() or _miss_password()
        container.change_user()(user=user.id, password=chosen)
        click.echo(f"{_named(user)} has a new password and is signed out everywhere.")


@users.command(
    epilog=example("matinee users delete bob@example.org\nmatinee users delete --yes bob@example.org")
)
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def delete(email: str, data_dir: str | None, *, yes: bool) -> None:
    """Delete an account with its ratings, its watchlist and its sessions.

    This cannot be undone, so it asks first; where standard input is no terminal, it wants --yes.
    """
    with opened(data_dir) as (container, _):
        user = container.find_user()(email=email)
        if not yes:
            _confirm(f"Delete {_named(user)} with all ratings and the watchlist?")
        container.delete_user()(user=user.id)
        click.echo(f"{_named(user)} is deleted.")


@users.command(epilog=example("matinee users invite\nmatinee users invite --uses 5 --expires-in 30d"))
@click.option(
    "--uses", type=click.IntRange(1, MOST_USES), default=1, show_default=True, help="Accounts it can make."
)
@click.option("--expires-in", type=Duration(), default="7d", show_default=True, help="How long it is valid.")
@data_dir_option
def invite(uses: int, expires_in: timedelta, data_dir: str | None) -> None:
    """Make the code of an invitation, with which people can register where REGISTRATION=invite.

    The code goes to standard output; it is shown only this once.
    """
    with opened(data_dir) as (container, settings):
        invitation, code = container.create_invitation()(valid_for=expires_in, uses=uses)
        click.echo(code)
        accounts = "one account" if uses == 1 else f"{uses} accounts"
        click.echo(
            f"This code can make {accounts} until {moment(invitation.expires_at)}: whoever registers sends it"
            ' as "invitation".',
            err=True,
        )
        if settings.registration != "invite":
            click.echo(
                f"matinee: warning: REGISTRATION is {settings.registration}, so the code is not "
                f"{'needed' if settings.registration == 'open' else 'accepted'}; set REGISTRATION=invite",
                err=True,
            )


def _changed(
    container: "Container", email: str, *, role: Role | None = None, disabled: bool | None = None
) -> User:
    """An account after a change. Raises UserNotFound, LastAdmin."""
    user = container.find_user()(email=email)
    return container.change_user()(user=user.id, role=role, disabled=disabled)


def _named(user: User) -> str:
    return f"{user.username} <{user.email}>"


def _confirm(question: str) -> None:
    """Go on only if somebody says yes."""
    if not sys.stdin.isatty():
        leave(2, "nobody can be asked here: add --yes to delete without asking")
    if not click.confirm(question, err=True):
        leave(1, "nothing was deleted")


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
