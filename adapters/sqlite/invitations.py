"""The invitations of the embedded store."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.database import Database
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, insert, moment
from domain.ids import InvitationId
from domain.invitations import Invitation, InvitationNotFound, InvitationRejected
from domain.pagination import Cursor

NEWEST_FIRST = Keyset(
    table="invitations",
    index="invitations_by_created_at",
    column="created_at",
    condition="created_at > ''",
    descending=True,
)


@dataclass(frozen=True, slots=True)
class SqliteInvitationRepository:
    """InvitationRepository over SQLite."""

    database: Database

    def add(self, invitation: Invitation) -> None:
        row = _row(invitation)
        with self.database.writing() as connection:
            connection.execute(insert("invitations", row), row)

    def remove(self, invitation: InvitationId) -> None:
        with self.database.writing() as connection:
            removed = connection.execute("DELETE FROM invitations WHERE id = ?", (invitation,))
        if not removed.rowcount:
            raise InvitationNotFound

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[Invitation]:
        with self.database.reading() as connection:
            rows = NEWEST_FIRST.rows(connection, (), limit=limit, skip=skip, after=after)
        return [_invitation(row) for row in rows]

    def count(self) -> int:
        with self.database.reading() as connection:
            return NEWEST_FIRST.count(connection, ())

    def remove_expired(self, at: datetime) -> int:
        with self.database.writing() as connection:
            removed = connection.execute("DELETE FROM invitations WHERE expires_at <= ?", (moment(at),))
        return removed.rowcount


def redeem(connection: sqlite3.Connection, code_hash: str, at: datetime) -> None:
    """Use an invitation up by one, within a transaction. Raises InvitationRejected."""
    redeemed = connection.execute(
        "UPDATE invitations SET remaining = remaining - 1"
        " WHERE code_hash = ? AND remaining > 0 AND expires_at > ?",
        (code_hash, moment(at)),
    )
    if not redeemed.rowcount:
        raise InvitationRejected


def _row(invitation: Invitation) -> dict[str, Cell]:
    return {
        "id": invitation.id,
        "code_hash": invitation.code_hash,
        "uses": invitation.uses,
        "remaining": invitation.remaining,
        "created_at": moment(invitation.created_at),
        "expires_at": moment(invitation.expires_at),
    }


def _invitation(row: sqlite3.Row) -> Invitation:
    return Invitation(
        id=InvitationId(row["id"]),
        code_hash=row["code_hash"],
        uses=row["uses"],
        remaining=row["remaining"],
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
    )
