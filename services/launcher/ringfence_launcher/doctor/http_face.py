"""What a service's HTTP port says about it: why it is not ready, how its feeds stand, what time it believes it is."""

import datetime as dt
import email.utils
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from ringfence.credentials import Tls

_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How one service's view of another stands."""

    state: str
    """`live`, `late`, `cut` or `connecting`."""
    age_seconds: float | None
    """Time since it was heard; None when never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What the HTTP port said."""

    unmet: Mapping[str, str]
    """Why the service is not ready, by condition."""
    skew: dt.timedelta
    """How far its clock is ahead of ours."""
    feeds: Mapping[str, Feed]
    """By the service that is followed."""


def ask_face(name: str, address: str, tls: Tls | None, *, timeout: float) -> Face | None:
    """Return what the HTTP port of service `name` says; None when it cannot be asked or is something else's."""
    try:
        connection = _connection(address, tls, timeout)
        try:
            readiness, date = _get(connection, "/readyz")
            now = dt.datetime.now(dt.UTC)
            metrics, _ = _get(connection, "/metrics")
        finally:
            connection.close()
        return Face(unmet=_unmet(json.loads(readiness)), skew=_skew(date, now), feeds=_feeds(name, metrics.decode()))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None


def _connection(address: str, tls: Tls | None, timeout: float) -> http.client.HTTPConnection:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if tls is None:
        return http.client.HTTPConnection(host, int(port), timeout=timeout)
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[bytes, str]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.read(_MOST_BYTES), response.headers.get("date", "")


def _unmet(answer: Any) -> dict[str, str]:
    unmet = answer.get("unmet") if isinstance(answer, dict) else None
    if not isinstance(unmet, dict):
        raise TypeError("this is not what our /readyz answers")
    return {str(condition): str(why) for condition, why in unmet.items()}


def _skew(date: str, now: dt.datetime) -> dt.timedelta:
    """Return how far the date is ahead; it names whole seconds, so half a second is what it means on average."""
    return email.utils.parsedate_to_datetime(date) + dt.timedelta(milliseconds=500) - now


def _feeds(name: str, metrics: str) -> dict[str, Feed]:
    states: dict[str, str] = {}
    ages: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == f"ringfence_{name}_feed_state" and sample.value == 1:
                states[sample.labels["feed"]] = sample.labels["state"]
            elif sample.name == f"ringfence_{name}_feed_age_seconds":
                ages[sample.labels["feed"]] = sample.value
    return {feed: Feed(state=state, age_seconds=ages.get(feed)) for feed, state in states.items()}
