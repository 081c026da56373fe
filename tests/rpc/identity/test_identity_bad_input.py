"""Bad input, method by method: the code, the reason and the field, and nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_identity.grants import GRANTS
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from support.identity.births import COMPLETE
from support.identity.mesh import IdentityMesh, identity_mesh
from support.wire import Refusal, messages, raw_method, read_refusal, refusal

SCID = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
DID = f"did:webvh:{SCID}:prod.id.ringfence.internal:agents:{SCID}"
ALIAS = f"did:web:prod.id.ringfence.internal:agents:{SCID}"
M = TypeVar("M", bound=Message)

NOW = Timestamp(seconds=1_767_225_600)
UUID = "123e4567-e89b-42d3-a456-426614174000"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[IdentityMesh]:
    """One server for all: everything here is refused, so nothing here changes it."""
    async with identity_mesh(tmp_path_factory.mktemp("identity")) as running:
        yield running


def sponsor(**changes: Any) -> pb.RegisterSponsorRequest:
    person = pb.Sponsor(display_name="Ada", contact="ada@example.com")
    request = pb.RegisterSponsorRequest(sponsor_id="ada", sponsor=person)
    return changed(request, changes)


def begin(**changes: Any) -> pb.BeginRegistrationRequest:
    request = pb.BeginRegistrationRequest(
        parent="namespaces/billing",
        agent_id="reconciler",
        environment="prod",
        sponsor="sponsors/ada",
        birth_certificate=birth_content_to_proto(COMPLETE),
    )
    return changed(request, changes)


def complete(**changes: Any) -> pb.CompleteRegistrationRequest:
    request = pb.CompleteRegistrationRequest(
        challenge=b"c",
        public_key=bytes(32),
        proof_of_possession=bytes(64),
        birth_certificate=birth_content_to_proto(COMPLETE),
    )
    return changed(request, changes)


def revoke(**changes: Any) -> pb.RevokeRequest:
    return changed(pb.RevokeRequest(did=DID, reason="it left"), changes)


def token(**changes: Any) -> pb.IssueTokenRequest:
    return changed(pb.IssueTokenRequest(assertion="a.b.c", audience="https://orders.example.com"), changes)


def signals(**changes: Any) -> tpb.RecordSignalsRequest:
    signal = tpb.Signal(
        signal_id="s",
        did=DID,
        environment="prod",
        kind=tpb.SIGNAL_KIND_TASK_ACCEPTED,
        evidence_hash=bytes(32),
        occur_time=NOW,
    )
    return tpb.RecordSignalsRequest(signals=[changed(signal, changes)])


def ring(**changes: Any) -> tpb.GrantRingRequest:
    later = Timestamp(seconds=NOW.seconds + 3_600)
    return changed(tpb.GrantRingRequest(did=DID, reason="a year without a fault", expire_time=later), changes)


def elevation(**changes: Any) -> tpb.GrantElevationRequest:
    granted = tpb.Elevation(
        origin=DID,
        action="transfer",
        resource="ledger.post",
        ring=1,
        approvals=2,
        expire_time=Timestamp(seconds=NOW.seconds + 3_600),
        reason="month's end",
    )
    return changed(tpb.GrantElevationRequest(elevation=granted), changes)


def changed(request: M, changes: dict[str, Any]) -> M:
    """Set fields by path, `sponsor__contact`; None clears one."""
    for path, value in changes.items():
        *parents, name = path.split("__")
        target: Any = request
        for parent in parents:
            target = getattr(target, parent)
        target.ClearField(name)
        if value is None:
            continue
        if isinstance(value, Message):
            getattr(target, name).CopyFrom(value)
        elif isinstance(value, list):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)
    return request


def tool(**fields: Any) -> pb.ApprovedTool:
    return pb.ApprovedTool(**{"name": "t", **fields})


def gate(**fields: Any) -> pb.EvaluationGate:
    return pb.EvaluationGate(**{"suite": "safety", **fields})


BAD_CONTENT: list[tuple[dict[str, Any], str]] = [
    ({"purpose": "x" * 2_001}, "purpose"),
    ({"purpose": "null\x00byte"}, "purpose"),
    ({"purpose": "re\u0301sume\u0301"}, "purpose"),
    ({"sponsor": "ada"}, "sponsor"),
    ({"backup_sponsor": "sponsors/Ada"}, "backup_sponsor"),
    ({"permissions": ["*"]}, "permissions[0]"),
    ({"permissions": ["a:b", "A:b"]}, "permissions[1]"),
    ({"permissions": ["a:b", "a:b"]}, "permissions[1]"),
    ({"permissions": [f"a:{number}" for number in range(65)]}, "permissions"),
    ({"approved_tools": [tool(name="")]}, "approved_tools[0].name"),
    ({"approved_tools": [tool(name="T")]}, "approved_tools[0].name"),
    ({"approved_tools": [tool(version="x" * 65)]}, "approved_tools[0].version"),
    ({"approved_tools": [tool(schema_hash="sha256-AB")]}, "approved_tools[0].schema_hash"),
    ({"approved_tools": [tool(), tool()]}, "approved_tools[1]"),
    ({"approved_tools": [tool(name=f"t{number}") for number in range(257)]}, "approved_tools"),
    ({"ring_ceiling": 4}, "ring_ceiling"),
    ({"ring_ceiling": -1}, "ring_ceiling"),
    ({"max_delegation_depth": 6}, "max_delegation_depth"),
    ({"artifacts__image": "x" * 257}, "artifacts.image"),
    ({"evaluation_plan__uri": "x" * 1_025}, "evaluation_plan.uri"),
    ({"evaluation_plan__hash": "md5-1"}, "evaluation_plan.hash"),
    ({"evaluation_plan__gates": [gate(minimum_micros=1_000_001)]}, "evaluation_plan.gates[0].minimum_micros"),
    ({"evaluation_plan__gates": [gate(result_micros=-1)]}, "evaluation_plan.gates[0].result_micros"),
    ({"evaluation_plan__gates": [gate(evidence_hash="x")]}, "evaluation_plan.gates[0].evidence_hash"),
    ({"evaluation_plan__gates": [gate(waived_by="bob")]}, "evaluation_plan.gates[0].waived_by"),
    ({"evaluation_plan__gates": [gate(suite=f"s{number}") for number in range(65)]}, "evaluation_plan.gates"),
    ({"derived_from": "x" * 1_025}, "derived_from"),
]

BAD_FIELDS: list[tuple[str, Message, str]] = [
    ("RegisterSponsor", sponsor(sponsor_id=""), "sponsor_id"),
    ("RegisterSponsor", sponsor(sponsor_id="Ada"), "sponsor_id"),
    ("RegisterSponsor", sponsor(sponsor_id="a" * 64), "sponsor_id"),
    ("RegisterSponsor", sponsor(sponsor=None), "sponsor.display_name"),
    ("RegisterSponsor", sponsor(sponsor__name="sponsors/eve"), "sponsor.name"),
    ("RegisterSponsor", sponsor(sponsor__display_name="x" * 201), "sponsor.display_name"),
    ("RegisterSponsor", sponsor(sponsor__display_name="evil\u202e"), "sponsor.display_name"),
    ("RegisterSponsor", sponsor(sponsor__contact=""), "sponsor.contact"),
    ("RegisterSponsor", sponsor(sponsor__oidc_issuer="https://idp.example.com"), "sponsor.oidc_subject"),
    ("RegisterSponsor", sponsor(request_id="1"), "request_id"),
    ("BeginRegistration", begin(parent=""), "parent"),
    ("BeginRegistration", begin(parent="billing"), "parent"),
    ("BeginRegistration", begin(agent_id="Re"), "agent_id"),
    ("BeginRegistration", begin(environment=""), "environment"),
    ("BeginRegistration", begin(environment="x" * 64), "environment"),
    ("BeginRegistration", begin(sponsor=""), "sponsor"),
    ("BeginRegistration", begin(sponsor="people/ada"), "sponsor"),
    *(
        (
            "BeginRegistration",
            begin(**{f"birth_certificate__{path}": value for path, value in content.items()}),
            f"birth_certificate.{field}",
        )
        for content, field in BAD_CONTENT
    ),
    ("CompleteRegistration", complete(challenge=b""), "challenge"),
    ("CompleteRegistration", complete(challenge=bytes(513)), "challenge"),
    ("CompleteRegistration", complete(public_key=b""), "public_key"),
    ("CompleteRegistration", complete(public_key=bytes(257)), "public_key"),
    ("CompleteRegistration", complete(proof_of_possession=bytes(63)), "proof_of_possession"),
    ("CompleteRegistration", complete(proof_of_possession=b""), "proof_of_possession"),
    ("CompleteRegistration", complete(request_id="x"), "request_id"),
    *(
        (
            "CompleteRegistration",
            complete(**{f"birth_certificate__{path}": value for path, value in content.items()}),
            f"birth_certificate.{field}",
        )
        for content, field in BAD_CONTENT
    ),
    ("GetAgentIdentity", pb.GetAgentIdentityRequest(), "did"),
    ("GetAgentIdentity", pb.GetAgentIdentityRequest(did=DID, environment="prod"), "did"),
    ("GetAgentIdentity", pb.GetAgentIdentityRequest(did="x" * 1_025), "did"),
    ("GetAgentIdentity", pb.GetAgentIdentityRequest(agent="a", environment="prod"), "agent"),
    ("GetAgentIdentity", pb.GetAgentIdentityRequest(agent="namespaces/a/agents/b"), "environment"),
    ("ResolveDid", pb.ResolveDidRequest(), "did"),
    ("ResolveDid", pb.ResolveDidRequest(did="did:key:" + "z" * 2_000), "did"),
    ("Revoke", revoke(did=""), "did"),
    ("Revoke", revoke(reason=""), "reason"),
    ("Revoke", revoke(reason="x" * 501), "reason"),
    ("Revoke", revoke(etag="17"), "etag"),
    ("Revoke", revoke(request_id="not-a-uuid"), "request_id"),
    ("WatchAgents", pb.WatchAgentsRequest(start_revision=-1), "start_revision"),
    ("WatchAgents", pb.WatchAgentsRequest(start_revision=1, send_initial_state=True), "start_revision"),
    ("WatchAgents", pb.WatchAgentsRequest(environment="x" * 64), "environment"),
    ("IssueToken", token(assertion=""), "assertion"),
    ("IssueToken", token(assertion="x" * 4_097), "assertion"),
    ("IssueToken", token(audience=""), "audience"),
    ("IssueToken", token(audience="a b"), "audience"),
    ("IssueToken", token(audience="x" * 257), "audience"),
    ("IssueToken", token(scopes=["*"]), "scopes[0]"),
    ("IssueToken", token(scopes=["a", "a"]), "scopes[1]"),
    ("IssueToken", token(scopes=[f"a:{number}" for number in range(65)]), "scopes"),
    ("GetJwks", pb.GetJwksRequest(), "environment"),
    ("RecordSignals", tpb.RecordSignalsRequest(), "signals"),
    ("RecordSignals", tpb.RecordSignalsRequest(signals=[tpb.Signal()] * 1_001), "signals"),
    ("RecordSignals", signals(signal_id=""), "signals[0].signal_id"),
    ("RecordSignals", signals(signal_id="x" * 129), "signals[0].signal_id"),
    ("RecordSignals", signals(did=""), "signals[0].did"),
    ("RecordSignals", signals(environment=""), "signals[0].environment"),
    ("RecordSignals", signals(kind=0), "signals[0].kind"),
    ("RecordSignals", signals(kind=99), "signals[0].kind"),
    ("RecordSignals", signals(evidence_hash=bytes(31)), "signals[0].evidence_hash"),
    ("RecordSignals", signals(evidence="x" * 513), "signals[0].evidence"),
    ("RecordSignals", signals(rater="x" * 1_025), "signals[0].rater"),
    ("RecordSignals", signals(occur_time=None), "signals[0].occur_time"),
    ("RecordSignals", signals(occur_time=Timestamp(seconds=1, nanos=-1)), "signals[0].occur_time"),
    ("RecordSignals", signals(occur_time=Timestamp(seconds=2**62)), "signals[0].occur_time"),
    ("GetTrust", tpb.GetTrustRequest(), "did"),
    ("BatchGetTrust", tpb.BatchGetTrustRequest(), "dids"),
    ("BatchGetTrust", tpb.BatchGetTrustRequest(dids=[DID] * 1_001), "dids"),
    ("ExplainTrust", tpb.ExplainTrustRequest(), "did"),
    ("ExplainTrust", tpb.ExplainTrustRequest(did="x" * 1_025), "did"),
    ("ExplainTrust", tpb.ExplainTrustRequest(did=DID, signals=-1), "signals"),
    ("ExplainTrust", tpb.ExplainTrustRequest(did=DID, signals=201), "signals"),
    ("GrantRing", ring(did=""), "did"),
    ("GrantRing", ring(expire_time=None), "expire_time"),
    ("GrantRing", ring(expire_time=Timestamp(seconds=-1)), "expire_time"),
    ("GrantRing", ring(expire_time=Timestamp(seconds=2**62)), "expire_time"),
    ("GrantRing", ring(reason=""), "reason"),
    ("GrantRing", ring(reason="x" * 501), "reason"),
    ("GrantRing", ring(etag="17"), "etag"),
    ("GrantRing", ring(request_id="x"), "request_id"),
    ("GrantElevation", tpb.GrantElevationRequest(), "elevation.origin"),
    ("GrantElevation", elevation(elevation__origin="x" * 1_025), "elevation.origin"),
    ("GrantElevation", elevation(elevation__action=""), "elevation.action"),
    ("GrantElevation", elevation(elevation__action="*"), "elevation.action"),
    ("GrantElevation", elevation(elevation__action="a" * 129), "elevation.action"),
    ("GrantElevation", elevation(elevation__resource="ledger.*"), "elevation.resource"),
    ("GrantElevation", elevation(elevation__resource="r" * 513), "elevation.resource"),
    ("GrantElevation", elevation(elevation__resource="evil\u202e"), "elevation.resource"),
    ("GrantElevation", elevation(elevation__ring=3), "elevation.ring"),
    ("GrantElevation", elevation(elevation__ring=-1), "elevation.ring"),
    ("GrantElevation", elevation(elevation__approvals=0), "elevation.approvals"),
    ("GrantElevation", elevation(elevation__approvals=11), "elevation.approvals"),
    ("GrantElevation", elevation(elevation__expire_time=None), "elevation.expire_time"),
    ("GrantElevation", elevation(elevation__reason=""), "elevation.reason"),
    ("GrantElevation", elevation(request_id="x"), "request_id"),
    ("RevokeElevation", tpb.RevokeElevationRequest(reason="done"), "name"),
    ("RevokeElevation", tpb.RevokeElevationRequest(name="elevations/", reason="done"), "name"),
    ("RevokeElevation", tpb.RevokeElevationRequest(name="delegations/1", reason="done"), "name"),
    ("RevokeElevation", tpb.RevokeElevationRequest(name="elevations/A", reason="done"), "name"),
    ("RevokeElevation", tpb.RevokeElevationRequest(name="elevations/1"), "reason"),
]

PATH_OF = {path.rsplit("/", 1)[1]: path for path in GRANTS}


async def call(mesh: IdentityMesh, method: str, request: bytes, caller: Caller | None = None) -> Refusal:
    channel = mesh.channel() if caller is None else mesh.channel(caller)
    path = PATH_OF[method]
    if method == "WatchAgents":
        stream = channel.unary_stream(path)(request)
        try:
            await stream.read()
        except Exception as error:  # noqa: BLE001 - read_refusal takes the one kind there is
            return read_refusal(error)  # type: ignore[arg-type]  # an AioRpcError
        raise AssertionError("the stream was answered")
    return await refusal(raw_method(channel, path)(messages([request])))


CASES = [pytest.param(*case, id=f"{number}-{case[0]}-{case[2]}") for number, case in enumerate(BAD_FIELDS)]


@pytest.mark.parametrize(("method", "request_", "field"), CASES)
async def test_a_bad_field_is_named(mesh: IdentityMesh, method: str, request_: Message, field: str) -> None:
    refused = await call(mesh, method, request_.SerializeToString())
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in refused.violations


async def test_everything_wrong_is_said_at_once(mesh: IdentityMesh) -> None:
    request = begin(parent="x", agent_id="X", environment="", sponsor="y", birth_certificate__ring_ceiling=9)
    refused = await call(mesh, "BeginRegistration", request.SerializeToString())
    assert set(refused.violations) == {
        "parent",
        "agent_id",
        "environment",
        "sponsor",
        "birth_certificate.ring_ceiling",
    }


EVERY_ROLE = {
    role: Caller(principal=f"test:{role.value}", roles=frozenset({role}))
    for role in Role
    if role not in (Role.AGENT, Role.SERVICE, Role.PLATFORM_ADMIN)
}


@pytest.mark.parametrize("method", PATH_OF)
async def test_the_uninvited_are_refused_by_role(mesh: IdentityMesh, method: str) -> None:
    grant = GRANTS[PATH_OF[method]]
    for role, caller in EVERY_ROLE.items():
        if grant.is_open or role in grant.roles:
            continue
        refused = await call(mesh, method, b"", caller)
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize("method", PATH_OF)
async def test_without_a_credential_only_open_methods_answer(mesh: IdentityMesh, method: str) -> None:
    refused = await call(mesh, method, b"", ANONYMOUS)
    if GRANTS[PATH_OF[method]].is_open:
        assert refused.reason == "INVALID_REQUEST"
    else:
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@pytest.mark.parametrize("method", PATH_OF)
async def test_a_bad_token_is_refused_also_where_none_is_needed(mesh: IdentityMesh, method: str) -> None:
    channel = mesh.channel(ANONYMOUS)
    metadata = (("authorization", "Bearer rfdev_wrong"),)
    if method == "WatchAgents":
        stream = channel.unary_stream(PATH_OF[method])(b"", metadata=metadata)
        with pytest.raises(Exception, match="UNAUTHENTICATED") as error:
            await stream.read()
        refused = read_refusal(error.value)  # type: ignore[arg-type]  # an AioRpcError
    else:
        refused = await refusal(raw_method(channel, PATH_OF[method])(messages([b""]), metadata=metadata))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("BeginRegistration", begin(environment="qa")),
        ("GetAgentIdentity", pb.GetAgentIdentityRequest(agent="namespaces/a/agents/b", environment="qa")),
        ("WatchAgents", pb.WatchAgentsRequest(environment="qa")),
        ("GetJwks", pb.GetJwksRequest(environment="qa")),
    ],
)
async def test_an_environment_that_is_not_hosted_is_said_so(mesh: IdentityMesh, method: str, request_: Message) -> None:
    refused = await call(mesh, method, request_.SerializeToString())
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "ENVIRONMENT_UNKNOWN")
    assert refused.metadata == {"environment": "qa"}


@pytest.mark.parametrize(
    ("did", "problem"),
    [
        ("did:mesh:abc", "method"),
        ("x", "did:"),
        (DID.replace("prod.id", "qa.id"), "host"),
        (ALIAS.replace("prod.id.ringfence.internal", "evil.example.com"), "host"),
        ("did:web:127.0.0.1", "host"),
        ("did:key:z6Mk", "multikey"),
    ],
)
async def test_a_did_that_is_not_ours_is_refused_and_never_fetched(mesh: IdentityMesh, did: str, problem: str) -> None:
    refused = await call(mesh, "ResolveDid", pb.ResolveDidRequest(did=did).SerializeToString())
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "DID_INVALID")
    assert problem in refused.metadata["problem"]


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("ResolveDid", pb.ResolveDidRequest(did=DID), "DID_NOT_FOUND"),
        (
            "ResolveDid",
            pb.ResolveDidRequest(did=ALIAS),
            "DID_NOT_FOUND",
        ),
        ("GetAgentIdentity", pb.GetAgentIdentityRequest(did=DID), "AGENT_NOT_FOUND"),
        (
            "GetAgentIdentity",
            pb.GetAgentIdentityRequest(agent="namespaces/a/agents/b", environment="prod"),
            "AGENT_NOT_FOUND",
        ),
        ("Revoke", revoke(), "AGENT_NOT_FOUND"),
        ("GetTrust", tpb.GetTrustRequest(did=DID), "AGENT_NOT_FOUND"),
        ("BeginRegistration", begin(), "SPONSOR_NOT_FOUND"),
    ],
)
async def test_what_does_not_exist_is_not_found(
    mesh: IdentityMesh, method: str, request_: Message, reason: str
) -> None:
    refused = await call(mesh, method, request_.SerializeToString())
    assert (refused.code, refused.reason) == ("NOT_FOUND", reason)


@pytest.mark.parametrize(
    ("did", "code", "reason"),
    [
        (ALIAS, "INVALID_ARGUMENT", "DID_INVALID"),
        (f"did:webvh:{SCID}:prod.id.ringfence.internal", "INVALID_ARGUMENT", "DID_INVALID"),
        # It could be an ephemeral agent's.
        ("did:key:z6MkrLhpHF2uGZvHgChE9gnfnJ7mjmEuuPF3tBVPdnQu1vYp", "NOT_FOUND", "AGENT_NOT_FOUND"),
    ],
)
async def test_a_did_of_another_kind_is_no_agent(mesh: IdentityMesh, did: str, code: str, reason: str) -> None:
    for method, request in (
        ("GetTrust", tpb.GetTrustRequest(did=did)),
        ("GetAgentIdentity", pb.GetAgentIdentityRequest(did=did)),
        ("Suspend", pb.SuspendRequest(did=did, reason="a look")),
        ("Revoke", revoke(did=did)),
    ):
        refused = await call(mesh, method, request.SerializeToString())
        assert (refused.code, refused.reason) == (code, reason)
