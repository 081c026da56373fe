"""The running services: whether they answer, can work, know us, and agree with us about the time."""

import datetime as dt
import socket
from collections.abc import Callable, Iterator, Mapping

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from ringfence.identity.v1.identity_pb2 import GetAgentIdentityRequest
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.pdp.v1.bundle_pb2 import GetBundleRequest
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.registry.v1.registry_pb2 import ListAgentsRequest
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1.audit_pb2 import GetCheckpointRequest
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.doctor.check import Check, ok, warning, wrong
from ringfence_launcher.doctor.http_face import Face, Feed, ask_face
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


def check_service(mesh: Mesh, name: str, *, http_address: str | None) -> Iterator[Check]:
    """Look at one service from outside, the simplest things first; what depends on a failed one is left out."""
    address = mesh.endpoints.address(name)
    where = f"{address.value} (from {address.source})"
    try:
        status = HealthStub(mesh.channel(name, anonymous=True)).Check(HealthCheckRequest()).status
    except Problem as problem:
        yield _not_answering(name, where, address.value, problem)
        return
    tls = mesh.endpoints.tls()
    face = ask_face(name, http_address, tls, timeout=mesh.timeout) if http_address else None
    if status == HealthCheckResponse.SERVING:
        yield ok(name, f"serving on {where}")
    else:
        yield _not_ready(name, face)
    yield _check_caller(mesh, name)
    if face is not None:
        yield check_clock(name, face.skew)
        for followed, feed in face.feeds.items():
            yield check_feed(name, followed, feed)


def port_is_taken(address: str) -> bool:
    """Say whether something accepts connections on `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.5):
            return True
    except OSError:
        return False


def check_feed(name: str, followed: str, feed: Feed) -> Check:
    """Judge how a service's view of another stands."""
    what = f"{name}: feed from {followed}"
    heard = "never heard" if feed.age_seconds is None else f"heard {feed.age_seconds:.0f} s ago"
    if feed.state == "live":
        return ok(what, f"live, {heard}")
    mend = f"see whether {followed} serves, and whether {name} reaches it ({name}.{followed}.address)"
    if feed.state == "late":
        return warning(what, f"late, {heard}", mend=mend)
    return wrong(what, f"{feed.state}, {heard}", mend=mend)


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


def check_clock(name: str, skew: dt.timedelta) -> Check:
    """Judge how far a service's clock is from ours."""
    what = f"{name}: clock"
    seconds = skew.total_seconds()
    way = "ahead" if seconds > 0 else "behind"
    found = "agrees to the second" if abs(seconds) <= 1 else f"{abs(seconds):.0f} s {way}"
    if abs(skew) <= TOLERATED_SKEW:
        return ok(what, found)
    return wrong(what, found, mend="set both clocks by NTP: tokens and proofs are good for seconds")
