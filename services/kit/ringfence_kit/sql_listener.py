"""Hears, on PostgreSQL, that another replica has committed events, and lets the hub read them.

A NOTIFY is sent in the transaction of the events, so it is never early; it may be lost with the connection, so the
hub catches up after every (re)connect, and again with each heartbeat.
"""

from typing import Any

import psycopg
import sqlalchemy as sa
import structlog

from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.sql_engines import POSTGRES_CONNECT
from ringfence_kit.sql_events import CHANNEL
from ringfence_kit.watch import EventHub

RETRY_FIRST = Millis(100)
RETRY_MAX = Millis(5_000)

_log = structlog.get_logger(__name__)


async def listen(url: sa.URL, hub: EventHub, clock: Clock) -> None:
    """Keep `hub` up with the database at `url`, over lost connections, until cancelled."""
    retry = RETRY_FIRST
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**_parameters(url), autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                await hub.catch_up()
                retry = RETRY_FIRST
                async for notify in connection.notifies():
                    # Our own commits are heard too, mostly after the hub has them.
                    if int(notify.payload) > hub.newest:
                        await hub.catch_up()
        except (psycopg.Error, Unavailable) as error:
            _log.warning("listener_disconnected", problem=str(error), retry_ms=retry)
        await clock.sleep(retry)
        retry = min(RETRY_MAX, Millis(retry * 2))


def _parameters(url: sa.URL) -> dict[str, Any]:
    """Return the libpq parameters that SQLAlchemy would connect with."""
    _, parameters = url.get_dialect()().create_connect_args(url)
    return {**POSTGRES_CONNECT, **parameters}
