"""The API tokens of the distributed store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.mongo.database import Database
from adapters.mongo.documents import own_id, user_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.schema import Document, Documents
from adapters.mongo.users import require_user
from domain.api_tokens import MAX_API_TOKENS, ApiToken, ApiTokenNotFound, Scope, TooManyApiTokens
from domain.ids import ApiTokenId, SessionId, UserId
from domain.pagination import Cursor
from domain.users import Caller

NEWEST_FIRST = Keyset(field="createdAt", index="by_created_at", descending=True)


@dataclass(frozen=True, slots=True)
class MongoApiTokenRepository:
    """ApiTokenRepository over MongoDB."""

    database: Database

    def add(self, token: ApiToken, *, session: SessionId) -> bool:
        return self.database.transaction(lambda database: _add(database, token, session), {token.user})

    def caller(self, token_hash: str) -> Caller | None:
        with self.database.using() as database:
            token = database.api_tokens.find_one({"tokenHash": token_hash})
            found = database.users.find_one({"_id": token["userId"], "disabled": False}) if token else None
        return Caller(user=user_of(found), api_token=_token(token)) if token and found else None

    def remove(self, token: ApiTokenId, user: UserId) -> None:
        with self.database.using() as database:
            removed = database.api_tokens.delete_one({"_id": own_id(token), "userId": own_id(user)})
        if not removed.deleted_count:
            raise ApiTokenNotFound

    def of_user(
        self, user: UserId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[ApiToken]:
        wanted = {"userId": own_id(user)}
        with self.database.using() as database:
            found = NEWEST_FIRST.documents(database.api_tokens, wanted, limit=limit, skip=skip, after=after)
        return list(map(_token, found))

    def count(self, user: UserId) -> int:
        with self.database.using() as database:
            return _count(database, user)


def _add(database: Documents, token: ApiToken, session: SessionId) -> bool:
    owned = {"_id": own_id(session), "userId": own_id(token.user)}
    if database.sessions.find_one(owned, {"_id": True}) is None:
        return False
    # What ends all sessions writes to the account too, and so do additions: they conflict with this one.
    require_user(database, token.user)
    if _count(database, token.user) >= MAX_API_TOKENS:
        raise TooManyApiTokens
    database.api_tokens.insert_one(_document(token))
    return True


def _count(database: Documents, user: UserId) -> int:
    return database.api_tokens.count_documents({"userId": own_id(user)}, hint="by_created_at")


def _document(token: ApiToken) -> Document:
    return {
        "_id": own_id(token.id),
        "userId": own_id(token.user),
        "name": token.name,
        "scope": token.scope,
        "tokenHash": token.token_hash,
        "createdAt": token.created_at,
        "expiresAt": token.expires_at,
    }


def _token(document: Mapping[str, Any]) -> ApiToken:
    return ApiToken(
        id=ApiTokenId(str(document["_id"])),
        user=UserId(str(document["userId"])),
        name=document["name"],
        scope=Scope(document["scope"]),
        token_hash=document["tokenHash"],
        created_at=document["createdAt"],
        expires_at=document["expiresAt"],
    )
