"""Requests about the life of an agent, from messages to the model; all that is wrong with one at once."""

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import ID_PATTERN, AgentName, is_resource_id
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments

from ringfence_registry.agents.gates import STABLE
from ringfence_registry.agents.leases import LEASE_DEFAULT, LEASE_MAX, LEASE_MIN
from ringfence_registry.agents.revisions import LATEST, RevisionQuery
from ringfence_registry.agents.rollouts import CANARY
from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import Deprecation, Evaluation

MAX_REASON = 500
MAX_REFERENCE = 500

AGENT_SHAPE = "namespaces/{namespace}/agents/{agent}"
REVISION_SHAPE = f"{AGENT_SHAPE}/revisions/{{revision}}"
_REVISION_PROBLEM = "must be the number of a revision, or an alias"
_ALIAS_SHAPE = "of a letter, then letters, digits or -, lower case (RFC 1034)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which agent, on what state of it, and how a repetition is told."""

    name: AgentName
    etag: str = ""
    request_id: str = ""
    reason: str = ""


class _NamedRequest(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def etag(self) -> str: ...
    @property
    def request_id(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecate(Named):
    """What a DeprecateAgentRequest asks for."""

    deprecation: Deprecation


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Named):
    """What a RenewLeaseRequest asks for."""

    ttl: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Named):
    """What a TagRevisionRequest asks for."""

    revision: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Named):
    """What a RollbackAgentRequest asks for."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollOut(Named):
    """What a SetRolloutRequest asks for."""

    canary: str
    stable: str
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Named):
    """What a RecordEvaluationRequest asks for."""

    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """What a CompareRevisionsRequest asks for."""

    name: AgentName
    before: str
    after: str | Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a CheckReadinessRequest asks for."""

    name: AgentName
    environment: str


def named(request: _NamedRequest) -> Named:
    """Return which agent a step is for."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    return Named(name=found.ok(name), etag=etag, request_id=request_id)


def reasoned(request: pb.SuspendAgentRequest | pb.ResumeAgentRequest) -> Named:
    """Return which agent a step is for that needs a reason."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    reason = found.text(request.reason, "reason", max_bytes=MAX_REASON, multiline=True)
    return Named(name=found.ok(name), etag=etag, request_id=request_id, reason=reason)


def approve(request: pb.ApproveAgentRequest) -> Named:
    """Return which agent is decided on; a rejection says why."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    reason = found.text(request.reason, "reason", max_bytes=MAX_REASON, required=request.reject, multiline=True)
    return Named(name=found.ok(name), etag=etag, request_id=request_id, reason=reason)


def deprecate(request: pb.DeprecateAgentRequest, *, now: Instant) -> Deprecate:
    """Return which agent is to end, and how."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    said, at = request.deprecation, found.at("deprecation")
    reason = at.text(said.reason, "reason", max_bytes=MAX_REASON, multiline=True)
    end = None
    if said.HasField("end_of_life_time"):
        end = at.timestamp(said.end_of_life_time, "end_of_life_time", not_before=Instant(now + 1))
    if said.replaced_by:
        at.resource_name(said.replaced_by, "replaced_by", AgentName.parse, shape=AGENT_SHAPE)
    return Deprecate(
        name=found.ok(name),
        etag=etag,
        request_id=request_id,
        deprecation=Deprecation(reason=reason, end_of_life_at=end, replaced_by=said.replaced_by),
    )


def renew_lease(request: pb.RenewLeaseRequest) -> Renew:
    """Return whose lease is renewed, and for how long."""
    found = Violations()
    name = found.resource_name(request.name, "name", AgentName.parse, shape=AGENT_SHAPE)
    ttl = lease_ttl(found, request.ttl, "ttl") if request.HasField("ttl") else LEASE_DEFAULT
    request_id = found.request_id(request.request_id)
    return Renew(name=found.ok(name), request_id=request_id, ttl=found.ok(ttl))


def lease_ttl(found: Violations, value: Duration, field: str) -> Millis | None:
    """Check how long a lease is to be."""
    return found.duration(value, field, minimum=LEASE_MIN, maximum=LEASE_MAX)


def list_revisions(request: pb.ListAgentRevisionsRequest) -> RevisionQuery:
    """Return whose revisions are listed. The page token is judged where it is used."""
    found = Violations()
    name = found.resource_name(request.parent, "parent", AgentName.parse, shape=AGENT_SHAPE)
    page_size = found.page_size(request.page_size)
    return RevisionQuery(
        name=found.ok(name),
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def tag_revision(request: pb.TagRevisionRequest) -> Tag:
    """Return which revision gets or loses which alias."""
    found = Violations()
    name = found.resource_name(request.name, "name", parse_revision, shape=REVISION_SHAPE)
    alias = found.text(request.alias, "alias", max_bytes=63, pattern=ID_PATTERN, shape=_ALIAS_SHAPE)
    if alias == LATEST:
        found.add("alias", f"{LATEST} is the newest revision and is not given")
    etag, request_id = found.etag(request.etag), found.request_id(request.request_id)
    agent, revision = found.ok(name)
    return Tag(name=agent, revision=revision, alias=alias, etag=etag, request_id=request_id)


def rollback(request: pb.RollbackAgentRequest) -> Rollback:
    """Return which agent goes back to which revision."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    revision = _revision(found, request.revision, "revision", STABLE)
    reason = found.text(request.reason, "reason", max_bytes=MAX_REASON, required=False, multiline=True)
    return Rollback(name=found.ok(name), etag=etag, request_id=request_id, revision=revision, reason=reason)


def set_rollout(request: pb.SetRolloutRequest) -> RollOut:
    """Return which revision gets which share."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    canary = _revision(found, request.canary_revision, "canary_revision", CANARY)
    stable = _revision(found, request.stable_revision, "stable_revision", STABLE)
    percent = found.integer(request.canary_percent, "canary_percent", minimum=0, maximum=100)
    return RollOut(name=found.ok(name), etag=etag, request_id=request_id, canary=canary, stable=stable, percent=percent)


def compare_revisions(request: pb.CompareRevisionsRequest) -> Compare:
    """Return what is compared."""
    found = Violations()
    name = found.resource_name(request.name, "name", AgentName.parse, shape=AGENT_SHAPE)
    before = _revision(found, request.before, "before", STABLE)
    after = _revision(found, request.after, "after", LATEST)
    if request.card and request.after:
        found.add("after", "must be empty with card")
    return Compare(name=found.ok(name), before=before, after=read_card(request.card) if request.card else after)


def check_readiness(request: pb.CheckReadinessRequest) -> Check:
    """Return whose readiness is asked for, and where."""
    found = Violations()
    name = found.resource_name(request.name, "name", AgentName.parse, shape=AGENT_SHAPE)
    if request.environment and not is_resource_id(request.environment):
        found.add("environment", f"must have the form {_ALIAS_SHAPE}, at most 63 characters")
    return Check(name=found.ok(name), environment=request.environment)


def record_evaluation(request: pb.RecordEvaluationRequest, *, now: Instant) -> Record:
    """Return what a run showed. Who recorded it is not for the request to say."""
    found = Violations()
    name, etag, request_id = _named(found, request)
    said, at = request.evaluation, found.at("evaluation")
    plan = at.text(said.plan, "plan", max_bytes=MAX_REFERENCE)
    report = at.text(said.report, "report", max_bytes=MAX_REFERENCE, required=False)
    if said.card_sha256:
        at.octets(said.card_sha256, "card_sha256", min_bytes=32, max_bytes=32)
    evaluated_at = _past(at, said.evaluate_time if said.HasField("evaluate_time") else None, now)
    agent = found.ok(name)
    return Record(
        name=agent,
        etag=etag,
        request_id=request_id,
        evaluation=Evaluation(
            plan=plan,
            passed=said.passed,
            report=report,
            card_sha256=said.card_sha256.hex(),
            evaluated_at=found.ok(evaluated_at),
            recorder="",
        ),
    )


def card_name(request: pb.GetCardRequest | pb.GetCardAttestationRequest) -> tuple[AgentName, str]:
    """Return whose card is asked for, and of which revision; empty for the present one."""
    found = Violations()
    shape = f"{AGENT_SHAPE}, or {REVISION_SHAPE}"
    return found.ok(found.resource_name(request.name, "name", _parse_agent_or_revision, shape=shape))


def parse_revision(text: str) -> tuple[AgentName, str] | None:
    """Return agent and revision in `…/revisions/{revision}`, or None when `text` is no such name."""
    parent, _, revision = text.rpartition("/revisions/")
    name = AgentName.parse(parent)
    return (name, revision) if name is not None and _is_revision(revision) else None


def _parse_agent_or_revision(text: str) -> tuple[AgentName, str] | None:
    name = AgentName.parse(text)
    return parse_revision(text) if name is None else (name, "")


def _named(found: Violations, request: _NamedRequest) -> tuple[AgentName | None, str, str]:
    name = found.resource_name(request.name, "name", AgentName.parse, shape=AGENT_SHAPE)
    return name, found.etag(request.etag), found.request_id(request.request_id)


def _revision(found: Violations, value: str, field: str, default: str) -> str:
    if value and not _is_revision(value):
        found.add(field, _REVISION_PROBLEM)
    return value or default


def _is_revision(text: str) -> bool:
    return is_resource_id(text) or (text.isascii() and text.isdecimal() and len(text) <= 18)


def _past(at: Violations, value: Timestamp | None, now: Instant) -> Instant | None:
    if value is None:
        at.add("evaluate_time", "must be set")
        return None
    return at.timestamp(value, "evaluate_time", not_after=now)
