"""The `requests` table: what was answered to which `request_id`, for a day.

Looked up when a request comes, written once per group; within a group the second of two equal requests sees the first.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from ringfence_kit.clock import Instant
from ringfence_kit.errors import RequestIdReused
from ringfence_kit.sql_statements import Bound, Statement
from ringfence_kit.sql_tables import requests
from ringfence_kit.store import REQUEST_KEPT, Mutation

PURGED_AT_ONCE = 1_000
"""How many old answers one transaction forgets."""

_OF_ID = requests.c.request_id == sa.bindparam("of_id")
_ANSWER = Statement(
    sa.select(requests.c.method, requests.c.principal, requests.c.fingerprint, requests.c.result, requests.c.at).where(
        _OF_ID
    )
)
_ADD = Statement(sa.insert(requests))
_FORGET = Statement(sa.delete(requests).where(_OF_ID))


@dataclass(frozen=True, slots=True)
class _Answer:
    mutation: Mutation
    result: bytes


class AnsweredRequests:
    """The answers that matter to one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._added: dict[str, _Answer] = {}
        self._expired: set[str] = set()

    def replayed(self, mutation: Mutation) -> bytes | None:
        """Return the first result of the same request, None when it is new; raise `RequestIdReused` for another."""
        answer = self._added.get(mutation.request_id) or _find(self._connection, mutation.request_id)
        if answer is None:
            return None
        if answer.mutation.at + REQUEST_KEPT <= mutation.at:
            self._expired.add(mutation.request_id)
            return None
        if not answer.mutation.same_request(mutation):
            raise RequestIdReused(request_id=mutation.request_id)
        return answer.result

    def add(self, mutation: Mutation, result: bytes) -> None:
        """Remember `result` as the answer to `mutation`, from this transaction's commit on."""
        self._added[mutation.request_id] = _Answer(mutation, result)

    def store(self) -> None:
        """Write what was added; an expired answer under the same id makes way."""
        for request_id in self._expired & self._added.keys():
            _FORGET.change(self._connection, of_id=request_id)
        rows: list[dict[str, Bound]] = [
            {
                "request_id": request_id,
                "method": answer.mutation.method,
                "principal": answer.mutation.principal,
                "fingerprint": answer.mutation.fingerprint,
                "result": answer.result,
                "at": answer.mutation.at,
            }
            for request_id, answer in self._added.items()
        ]
        if rows:
            _ADD.change_each(self._connection, rows)


def purge_requests(connection: sa.Connection, now: Instant) -> bool:
    """Forget some of the answers that are no longer replayed; return whether all of them are gone."""
    old = sa.select(requests.c.request_id).where(requests.c.at <= now - REQUEST_KEPT).limit(PURGED_AT_ONCE)
    return connection.execute(sa.delete(requests).where(requests.c.request_id.in_(old))).rowcount < PURGED_AT_ONCE


def _find(connection: sa.Connection, request_id: str) -> _Answer | None:
    row = _ANSWER.row(connection, of_id=request_id)
    if row is None:
        return None
    method, principal, fingerprint, result, at = row
    mutation = Mutation(
        principal=principal, at=Instant(at), request_id=request_id, method=method, fingerprint=fingerprint
    )
    return _Answer(mutation, result)
