"""The invitations of the distributed store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.mongo.database import Database
from adapters.mongo.documents import own_id
from adapters.mongo.keyset import Keyset
from adapters.mongo.schema import Document, Documents
from domain.ids import InvitationId
from domain.invitations import Invitation, InvitationNotFound, InvitationRejected
from domain.pagination import Cursor

NEWEST_FIRST = Keyset(field="createdAt", index="by_created_at", descending=True)


@dataclass(frozen=True, slots=True)
class MongoInvitationRepository:
    """InvitationRepository over MongoDB."""

    database: Database

    def add(self, invitation: Invitation) -> None:
        with self.database.using() as database:
            database.invitations.insert_one(_document(invitation))

    def remove(self, invitation: InvitationId) -> None:
        with self.database.using() as database:
            removed = database.invitations.delete_one({"_id": own_id(invitation)})
        if not removed.deleted_count:
            raise InvitationNotFound

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[Invitation]:
        with self.database.using() as database:
            found = NEWEST_FIRST.documents(database.invitations, {}, limit=limit, skip=skip, after=after)
        return [_invitation(document) for document in found]

    def count(self) -> int:
        with self.database.using() as database:
            return database.invitations.count_documents({}, hint="by_created_at")

    def remove_expired(self, at: datetime) -> int:
        with self.database.using() as database:
            return database.invitations.delete_many({"expiresAt": {"$lte": at}}).deleted_count


def redeem(database: Documents, code_hash: str, at: datetime) -> None:
    """Use an invitation up by one, within a transaction. Raises InvitationRejected."""
    valid = {"codeHash": code_hash, "remaining": {"$gt": 0}, "expiresAt": {"$gt": at}}
    if not database.invitations.update_one(valid, {"$inc": {"remaining": -1}}).matched_count:
        raise InvitationRejected


def _document(invitation: Invitation) -> Document:
    return {
        "_id": own_id(invitation.id),
        "codeHash": invitation.code_hash,
        "uses": invitation.uses,
        "remaining": invitation.remaining,
        "createdAt": invitation.created_at,
        "expiresAt": invitation.expires_at,
    }


def _invitation(document: Mapping[str, Any]) -> Invitation:
    return Invitation(
        id=InvitationId(str(document["_id"])),
        code_hash=document["codeHash"],
        uses=document["uses"],
        remaining=document["remaining"],
        created_at=document["createdAt"],
        expires_at=document["expiresAt"],
    )
