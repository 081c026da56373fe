"""The `requests` table: what was answered to which `request_id`, for a day.

Looked up once and written once per group; within a group the second of two equal requests sees the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from ringfence_kit.clock import Instant
from ringfence_kit.errors import RequestIdReused
from ringfence_kit.sql_tables import requests
from ringfence_kit.store import REQUEST_KEPT, Mutation

PURGED_AT_ONCE = 1_000
"""How many old answers one transaction forgets."""


@dataclass(frozen=True, slots=True)
class _Answer:
    mutation: Mutation
    result: bytes


class AnsweredRequests:
    """The answers that matter to one transaction."""

    def __init__(self, connection: sa.Connection, mutations: Iterable[Mutation]) -> None:
        """Read the stored answers to `mutations`."""
        self._connection = connection
        self._stored = _find(connection, {mutation.request_id for mutation in mutations if mutation.request_id})
        self._added: dict[str, _Answer] = {}

    def replayed(self, mutation: Mutation) -> bytes | None:
        """Return the first result of the same request, None when it is new; raise `RequestIdReused` for another."""
        answer = self._added.get(mutation.request_id) or self._stored.get(mutation.request_id)
        if answer is None or answer.mutation.at + REQUEST_KEPT <= mutation.at:
            return None
        if not answer.mutation.same_request(mutation):
            raise RequestIdReused(request_id=mutation.request_id)
        return answer.result

    def add(self, mutation: Mutation, result: bytes) -> None:
        """Remember `result` as the answer to `mutation`, from this transaction's commit on."""
        self._added[mutation.request_id] = _Answer(mutation, result)

    def store(self) -> None:
        """Write what was added; an expired answer under the same id makes way."""
        if not self._added:
            return
        if expired := self._stored.keys() & self._added.keys():
            self._connection.execute(sa.delete(requests).where(requests.c.request_id.in_(expired)))
        self._connection.execute(
            sa.insert(requests),
            [
                {
                    "request_id": request_id,
                    "method": answer.mutation.method,
                    "principal": answer.mutation.principal,
                    "fingerprint": answer.mutation.fingerprint,
                    "result": answer.result,
                    "at": answer.mutation.at,
                }
                for request_id, answer in self._added.items()
            ],
        )


def purge_requests(connection: sa.Connection, now: Instant) -> bool:
    """Forget some of the answers that are no longer replayed; return whether all of them are gone."""
    old = sa.select(requests.c.request_id).where(requests.c.at <= now - REQUEST_KEPT).limit(PURGED_AT_ONCE)
    return connection.execute(sa.delete(requests).where(requests.c.request_id.in_(old))).rowcount < PURGED_AT_ONCE


def _find(connection: sa.Connection, ids: set[str]) -> dict[str, _Answer]:
    if not ids:
        return {}
    return {
        row.request_id: _Answer(
            Mutation(
                principal=row.principal,
                at=Instant(row.at),
                request_id=row.request_id,
                method=row.method,
                fingerprint=row.fingerprint,
            ),
            row.result,
        )
        for row in connection.execute(sa.select(requests).where(requests.c.request_id.in_(ids)))
    }
