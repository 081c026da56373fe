"""The running services: whether they answer, can work, know us, and agree with us about the time."""

import datetime as dt
import email.utils
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from ringfence.credentials import Tls
from ringfence.identity.v1.identity_pb2 import GetAgentIdentityRequest
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.pdp.v1.bundle_pb2 import GetBundleRequest
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.registry.v1.registry_pb2 import ListAgentsRequest
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1.audit_pb2 import GetCheckpointRequest
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.doctor.check import Check, ok, wrong
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

TOLERATED_SKEW = dt.timedelta(seconds=5)
"""Identity refuses assertions from clocks further ahead; an HTTP date is good to a second."""

_ASK: Mapping[str, Callable[[grpc.Channel], object]] = {
    "registry": lambda channel: RegistryServiceStub(channel).ListAgents(
        ListAgentsRequest(parent="namespaces/-", page_size=1)
    ),
    "identity": lambda channel: IdentityServiceStub(channel).GetAgentIdentity(
        GetAgentIdentityRequest(agent="namespaces/doctor/agents/nobody", environment="dev")
    ),
    "pdp": lambda channel: BundleServiceStub(channel).GetBundle(GetBundleRequest()),
    "telemetry": lambda channel: AuditServiceStub(channel).GetCheckpoint(GetCheckpointRequest()),
}
"""One cheap question a service that asks who is calling; that there is nothing to find is an answer too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a service's HTTP port said."""

    unmet: Mapping[str, str]
    """Why it is not ready, by condition."""
    skew: dt.timedelta
    """How far its clock is ahead of ours."""


def check_service(mesh: Mesh, name: str, *, http_address: str | None) -> Iterator[Check]:
    """Look at one service from outside, the simplest things first; what depends on a failed one is left out."""
    address = mesh.endpoints.address(name)
    where = f"{address.value} (from {address.source})"
    try:
        status = HealthStub(mesh.channel(name, anonymous=True)).Check(HealthCheckRequest()).status
    except Problem as problem:
        yield _not_answering(name, where, address.value, problem)
        return
    face = _ask_face(http_address, mesh.endpoints.tls(), mesh.timeout) if http_address else None
    if status == HealthCheckResponse.SERVING:
        yield ok(name, f"serving on {where}")
    else:
        yield _not_ready(name, face)
    yield _check_caller(mesh, name)
    if face is not None:
        yield _check_clock(name, face.skew)


def port_is_taken(address: str) -> bool:
    """Say whether something accepts connections on `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.5):
            return True
    except OSError:
        return False


def _not_answering(name: str, where: str, address: str, problem: Problem) -> Check:
    if port_is_taken(address):
        return wrong(name, f"what listens on {where} is no Ringfence service: {problem.what}", mend=problem.mend)
    mend = f"start it: `ringfence up` for all four, `ringfence serve {name}` for this one; or name it with --addr"
    return wrong(name, f"nobody listens on {where}", mend=mend)


def _not_ready(name: str, face: Face | None) -> Check:
    if face is None or not face.unmet:
        return wrong(name, "it answers and is not ready", mend="look at its log and at /readyz on its HTTP port")
    found = "; ".join(f"{condition}: {why}" for condition, why in face.unmet.items())
    return wrong(name, f"not ready: {found}", mend="mend what it waits for; it goes on by itself")


def _check_caller(mesh: Mesh, name: str) -> Check:
    what = f"{name}: credential"
    token = mesh.endpoints.token(mesh.endpoints.address(name).value)
    source = token.source if token else "certificate" if mesh.endpoints.tls() else "none"
    try:
        _ASK[name](mesh.channel(name))
    except Problem as problem:
        if problem.code is not ExitCode.NOT_FOUND:
            return wrong(what, f"{problem.what} (credential: {source})", mend=problem.mend)
    return ok(what, f"accepted (from {source})")


def _check_clock(name: str, skew: dt.timedelta) -> Check:
    what = f"{name}: clock"
    seconds = skew.total_seconds()
    found = (
        "agrees to the second" if abs(seconds) <= 1 else f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    )
    if abs(skew) <= TOLERATED_SKEW:
        return ok(what, found)
    return wrong(what, found, mend="set both clocks by NTP: tokens and proofs are good for seconds")


def _ask_face(address: str, tls: Tls | None, timeout: float) -> Face | None:
    """Return what the HTTP port says; None when it cannot be asked."""
    try:
        connection = _http_connection(address, tls, timeout)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            now, answer = dt.datetime.now(dt.UTC), json.loads(response.read(1 << 20))
            return Face(unmet=_unmet(answer), skew=_skew(response.headers.get("date"), now))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _http_connection(address: str, tls: Tls | None, timeout: float) -> http.client.HTTPConnection:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if tls is None:
        return http.client.HTTPConnection(host, int(port), timeout=timeout)
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)


def _unmet(answer: Any) -> dict[str, str]:
    unmet = answer.get("unmet") if isinstance(answer, dict) else None
    return {str(condition): str(why) for condition, why in unmet.items()} if isinstance(unmet, dict) else {}


def _skew(date: str | None, now: dt.datetime) -> dt.timedelta:
    """Return how far the date is ahead; it names whole seconds, so half a second is what it means on average."""
    said = email.utils.parsedate_to_datetime(date or "") + dt.timedelta(milliseconds=500)
    return said - now
