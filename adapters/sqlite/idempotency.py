"""The idempotency keys of the embedded store."""

from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.database import Database
from adapters.sqlite.rows import moment
from domain.idempotency import RETENTION, Attempt, KeptResponse, KeyRecord


@dataclass(frozen=True, slots=True)
class SqliteIdempotencyRepository:
    """IdempotencyRepository over SQLite."""

    database: Database

    def begin(self, attempt: Attempt) -> KeptResponse | None:
        with self.database.writing(shared=True) as connection:
            row = connection.execute(
                "SELECT * FROM idempotency_keys WHERE user = ? AND key = ?", (attempt.user, attempt.key)
            ).fetchone()
            if row:
                stored = Attempt(
                    id=row["attempt"],
                    user=attempt.user,
                    key=attempt.key,
                    fingerprint=row["fingerprint"],
                    at=datetime.fromisoformat(row["began_at"]),
                )
                response = KeptResponse(row["response"]) if row["done"] else None
                kept = KeyRecord(attempt=stored, response=response).response_to(attempt)
                if kept:
                    return kept
            connection.execute(
                "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?, 0, NULL)",
                (attempt.user, attempt.key, attempt.id, attempt.fingerprint, moment(attempt.at)),
            )
        return None

    def finish(self, attempt: Attempt, response: KeptResponse) -> None:
        with self.database.writing(shared=True) as connection:
            connection.execute(
                "UPDATE idempotency_keys SET done = 1, response = ?"
                " WHERE user = ? AND key = ? AND attempt = ?",
                (response.packed, attempt.user, attempt.key, attempt.id),
            )

    def abandon(self, attempt: Attempt) -> None:
        with self.database.writing(shared=True) as connection:
            connection.execute(
                "DELETE FROM idempotency_keys WHERE user = ? AND key = ? AND attempt = ?",
                (attempt.user, attempt.key, attempt.id),
            )

    def remove_expired(self, at: datetime) -> int:
        with self.database.writing() as connection:
            removed = connection.execute(
                "DELETE FROM idempotency_keys WHERE began_at <= ?", (moment(at - RETENTION),)
            )
        return removed.rowcount
