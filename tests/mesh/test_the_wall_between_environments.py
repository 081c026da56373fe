"""Nothing of one environment is good in another: every RPC that takes a proof of any kind is shown a foreign one.

Which RPCs those are is read from the descriptors, so a new one without a case here fails. Every ordered pair of
environments is tried. What is refused leaves no trace: identity's log, in which every mutation is an entry, stays as
it was.
"""

import importlib
import itertools
import pkgutil
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import (
    credential_pb2,
    delegation_pb2,
    delegation_pb2_grpc,
    peer_pb2,
    transparency_pb2,
    transparency_pb2_grpc,
    trust_pb2,
)
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence.proofs.access_token import TokenRefused, check_access_token
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.delegation_grant import Grant, grant_hash, sign_grant
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.trust_statement import TrustStatementError, check_statement
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, MINUTE, Instant
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.births import COMPLETE
from support.identity.evidence import signal
from support.identity.keys import seeded_key
from support.identity.meetings import Meeting, agent_caller
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.identity.rotations import message, replacement, rotation
from support.mesh.contract import is_output_only
from support.pdp.served import ServedPdp, served_pdp, tool
from support.pdp.served import agent as registered
from support.serving import OPERATOR, SERVICE
from support.wire import Refusal, refusal

ENVIRONMENTS = ("dev", "staging", "prod")
ELEVATED, ELEVATED_RESOURCE = "write_production_ledger", "ledger"
PAIRS = list(itertools.permutations(ENVIRONMENTS, 2))

BOTH_WAYS = pytest.mark.parametrize(("here", "there"), PAIRS, ids=[f"{here}-to-{there}" for here, there in PAIRS])

CARRIES = re.compile(
    r"token|assertion|challenge|grants|statement|credential|certificate$|signals|proof|signature|transcript"
)
"""How fields are called that hold what somebody signed, or evidence."""

CARRIES_NOTHING = {"page_token", "signature_line"}
"""Also what a witness signs: heads of the audit log, which is of no environment."""

_WORDS = {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_ENUM}
"""A number of tokens, or what a policy asks of signatures: nothing somebody signed."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent of one environment."""

    identity: pb.AgentIdentity
    key: Ed25519Signer

    @property
    def did(self) -> str:
        return self.identity.did

    @property
    def environment(self) -> str:
        return self.identity.environment


@dataclass(frozen=True, slots=True)
class Passes:
    """What agents of one environment may show a pdp."""

    token: str
    """An access token of the second agent, which acts for the first."""
    elevation: str
    """A grant for the second agent."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Two agents in each environment, on one identity service, beside one pdp."""

    mesh: IdentityMesh
    agents: Mapping[str, tuple[Agent, Agent]]
    pdp: ServedPdp
    """A pdp that this identity tells everything, of every environment."""
    passes: Mapping[str, "Passes"]

    def __getitem__(self, environment: str) -> Agent:
        return self.agents[environment][0]

    def other(self, environment: str) -> Agent:
        return self.agents[environment][1]

    def issuer(self, environment: str) -> str:
        return f"https://{environment}.id.ringfence.internal"

    async def log_size(self) -> int:
        log = transparency_pb2_grpc.TransparencyServiceStub(self.mesh.channel())
        answer = await log.GetCheckpoint(transparency_pb2.GetCheckpointRequest())
        size: int = answer.checkpoint.tree_size
        return size

    def delegations(self, *, by: Agent | None = None) -> Any:
        caller = OPERATOR if by is None else agent_caller(by.identity)
        return delegation_pb2_grpc.DelegationServiceStub(self.mesh.channel(caller))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wall]:
    async with identity_mesh(tmp_path_factory.mktemp("wall")) as mesh:
        await mesh.with_sponsors()
        numbers = itertools.count(1)
        agents: dict[str, tuple[Agent, Agent]] = {}
        for environment in ENVIRONMENTS:
            pair = []
            for name in ("buyer", "seller"):
                key = seeded_key(next(numbers))
                pair.append(Agent((await mesh.enrol(name, key=key, environment=environment)).identity, key))
            agents[environment] = (pair[0], pair[1])
        address = mesh.mesh.address("identity.listen")
        data = mesh.mesh.data
        async with served_pdp(data, known=False, clock=mesh.clock, identity_at=address) as pdp:
            for name in {agent.identity.agent for agent in agents["dev"]}:
                pdp.around.registry.agents.say(registered(name=name, environments=ENVIRONMENTS))
            pdp.around.registry.tools.say(tool())
            passes: dict[str, Passes] = {}
            wall = Wall(mesh, agents, pdp, passes)
            for environment in ENVIRONMENTS:
                passes[environment] = await _passes(wall, environment)
                await _known(wall, environment)
            yield wall


def packages() -> Iterator[ModuleType]:
    """Every generated module of the contract."""
    for service in ("identity", "pdp", "registry", "telemetry"):
        package = importlib.import_module(f"ringfence.{service}.v1")
        for found in pkgutil.iter_modules(package.__path__):
            if found.name.endswith("_pb2"):
                yield importlib.import_module(f"{package.__name__}.{found.name}")


def carrying(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the fields of a request, at any depth, that hold what somebody signed."""
    for field in message.fields:
        if is_output_only(field):
            continue  # what the server says of an agent is ignored when it comes in
        if field.name not in CARRIES_NOTHING and CARRIES.search(field.name) and field.type not in _WORDS:
            yield field.name
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("ringfence.") and inner.full_name not in seen:
            yield from carrying(inner, seen | {inner.full_name})


def methods() -> list[MethodDescriptor]:
    return [
        method
        for module in packages()
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if any(carrying(method.input_type))
    ]


Case: TypeAlias = Callable[[Wall, str, str], Awaitable[None]]
"""Shows something of the first environment to the second, and finds that it is refused."""

CASES: dict[str, Case] = {}


def case(name: str, *, package: str = "ringfence.identity.v1") -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES[f"{package}.{name}"] = function
        return function

    return add


async def refused(call: Awaitable[Any], *reasons: str) -> Refusal:
    found = await refusal(call)
    assert found.reason in reasons, found
    return found


@case("CredentialService.IssueToken")
async def assertions(wall: Wall, here: str, there: str) -> None:
    foreign, native = wall[here], wall[there]
    assertion = partial(wall.mesh.assertion, native.identity, foreign.key)
    credentials = wall.mesh.credentials()
    for shown in (
        wall.mesh.assertion(foreign.identity, foreign.key, aud=wall.issuer(there)),  # itself, to another issuer
        assertion(),  # as somebody of there, by a key of here
        assertion(iss=foreign.did),  # half of each
        assertion(sub=foreign.did),
    ):
        request = pb.IssueTokenRequest(assertion=shown, audience=AUDIENCE)
        await refused(credentials.IssueToken(request), "ASSERTION_INVALID", "AGENT_NOT_FOUND")


@case("CredentialService.IntrospectToken")
async def tokens(wall: Wall, here: str, there: str) -> None:
    token = (await wall.mesh.token(wall[here].identity, wall[here].key)).access_token
    request = credential_pb2.IntrospectTokenRequest(token=token, audience=AUDIENCE)
    credentials = wall.mesh.credentials(agent_caller(wall[there].identity))
    answer = await credentials.IntrospectToken(request)
    assert answer == credential_pb2.IntrospectTokenResponse()
    # And by keys alone: what one environment signed does not verify by the key set of another.
    keys = read_jwk_set(parse_object(await wall.mesh.get(f"/{there}/.well-known/jwks.json")))
    with pytest.raises(TokenRefused):
        check_access_token(token, keys=keys, issuer=None, audience=AUDIENCE, now=wall.mesh.clock.now())
    own = read_jwk_set(parse_object(await wall.mesh.get(f"/{here}/.well-known/jwks.json")))
    with pytest.raises(TokenRefused, match="environment"):
        check_access_token(
            token, keys=own, issuer=None, audience=AUDIENCE, now=wall.mesh.clock.now(), environment=there
        )


@case("DelegationService.ExchangeDelegation")
async def delegations(wall: Wall, here: str, there: str) -> None:
    foreign, native = wall[here], wall[there]
    shown = [
        (foreign, native, here),  # handed over the wall
        (foreign, native, there),  # and said to be of there
        (native, foreign, there),  # the other way
        (foreign, wall.other(here), there),  # among those of here, said to be of there
    ]
    for delegator, delegatee, environment in shown:
        grant = _grant(wall, delegator, delegatee, environment)
        assertion = wall.mesh.assertion(delegatee.identity, delegatee.key)
        request = delegation_pb2.ExchangeDelegationRequest(grants=[grant], assertion=assertion, audience=AUDIENCE)
        await refused(wall.delegations().ExchangeDelegation(request), "DELEGATION_INVALID")
    sound = _grant(wall, foreign, wall.other(here), here)
    assertion = wall.mesh.assertion(native.identity, native.key)
    request = delegation_pb2.ExchangeDelegationRequest(grants=[sound], assertion=assertion, audience=AUDIENCE)
    await refused(wall.delegations().ExchangeDelegation(request), "DELEGATION_INVALID")


@case("DelegationService.RevokeDelegation")
async def revoking_delegations(wall: Wall, here: str, there: str) -> None:
    grant = _grant(wall, wall[there], wall.other(there), there)
    name = f"delegations/{grant_hash(grant)}"
    request = delegation_pb2.RevokeDelegationRequest(name=name, grants=[grant], reason="mine")
    await refused(wall.delegations(by=wall[here]).RevokeDelegation(request), "NOT_PERMITTED")


@case("IdentityService.BeginRegistration")
async def beginning(wall: Wall, here: str, there: str) -> None:
    """What is stated is of no environment; that an agent cannot state it for itself is all there is to see."""
    caller = agent_caller(wall[here].identity)
    await refused(wall.mesh.begin("third", environment=there, caller=caller), "NOT_PERMITTED")


@case("IdentityService.CompleteRegistration")
async def challenges(wall: Wall, here: str, there: str) -> None:
    """A proof over a challenge of here, shown with one of there; what a challenge of here is good for is here."""
    key = seeded_key(90)
    foreign = await wall.mesh.answer("third", key=key, environment=here)
    native = await wall.mesh.answer("third", key=key, environment=there)
    native.proof_of_possession = foreign.proof_of_possession
    await refused(wall.mesh.identity().CompleteRegistration(native), "PROOF_INVALID")
    spoilt = bytearray(foreign.challenge.replace(here.encode(), there.encode()))
    foreign.challenge = bytes(spoilt) if spoilt != foreign.challenge else foreign.challenge[:-1]
    await refused(wall.mesh.identity().CompleteRegistration(foreign), "CHALLENGE_INVALID")


@case("IdentityService.RotateKey")
async def rotations(wall: Wall, here: str, there: str) -> None:
    native, foreign, fresh = wall[there], wall[here], seeded_key(91)
    for parts in ({"environment": here}, {"did": foreign.did}, {"version_id": foreign.identity.did_version_id}):
        bent = message(native.identity, native.key, fresh, **parts)
        proofs = {"old_key_proof": native.key.sign(bent), "new_key_proof": fresh.sign(bent)}
        request = rotation(native.identity, native.key, fresh, **proofs)
        await refused(wall.mesh.identity().RotateKey(request), "PROOF_INVALID")
    request = rotation(native.identity, foreign.key, fresh)
    await refused(wall.mesh.identity().RotateKey(request), "PROOF_INVALID")


@case("IdentityService.ReportCompromise")
async def compromises(wall: Wall, here: str, there: str) -> None:
    native, fresh = wall[there], seeded_key(92)
    proof = fresh.sign(message(native.identity, native.key, fresh, environment=here))
    bent = replacement(native.identity, native.key, fresh, proof=proof)
    request = pb.ReportCompromiseRequest(did=native.did, reason="lost", replacement=bent)
    await refused(wall.mesh.identity().ReportCompromise(request), "PROOF_INVALID")
    taken = replacement(native.identity, native.key, wall[here].key)  # a key of here, which is somebody's
    request = pb.ReportCompromiseRequest(did=native.did, reason="lost", replacement=taken)
    await refused(wall.mesh.identity().ReportCompromise(request), "KEY_ALREADY_USED")


@case("IdentityService.Reinstate")
async def reinstatements(wall: Wall, here: str, there: str) -> None:
    native, fresh = wall[there], seeded_key(93)
    proof = fresh.sign(message(native.identity, native.key, fresh, environment=here))
    bent = replacement(native.identity, native.key, fresh, proof=proof)
    request = pb.ReinstateRequest(did=native.did, reason="found", replacement=bent)
    await refused(wall.mesh.identity().Reinstate(request), "AGENT_NOT_SUSPENDED", "PROOF_INVALID")


@case("CredentialService.IssueBirthCertificate")
async def certificates(wall: Wall, here: str, there: str) -> None:
    caller = agent_caller(wall[here].identity)
    request = pb.IssueBirthCertificateRequest(
        did=wall[there].did, birth_certificate=wall[there].identity.birth_certificate
    )
    await refused(wall.mesh.credentials(caller).IssueBirthCertificate(request), "NOT_PERMITTED")
    # What was issued here is nothing by the registrar of there.
    asked = credential_pb2.GetBirthCertificateRequest(did=wall[here].did)
    credential = (await wall.mesh.credentials().GetBirthCertificate(asked)).credential
    with pytest.raises(CredentialError):
        check_birth_certificate(credential, registrar=await _registrar(wall, there), now=wall.mesh.clock.now())


@case("TrustService.RecordSignals")
async def signals(wall: Wall, here: str, there: str) -> None:
    foreign, native = wall[here], wall[there]
    before = await _score(wall, native)
    of_here = signal(wall.mesh, foreign.identity, f"{here}-{there}", trust_pb2.SIGNAL_KIND_TASK_ACCEPTED)
    of_here.environment = there
    about_native = signal(wall.mesh, native.identity, f"{here}-{there}", trust_pb2.SIGNAL_KIND_TASK_ACCEPTED)
    about_native.environment = here
    shown = [of_here, about_native]
    answer = await wall.mesh.trust(SERVICE).RecordSignals(trust_pb2.RecordSignalsRequest(signals=shown))
    assert {result.outcome for result in answer.results} == {trust_pb2.SIGNAL_OUTCOME_REFUSED}
    assert await _score(wall, native) == before
    request = trust_pb2.RecordSignalsRequest(signals=[of_here])
    await refused(wall.mesh.trust(agent_caller(foreign.identity)).RecordSignals(request), "NOT_PERMITTED")


@case("TrustService.VerifyPeer")
async def meetings(wall: Wall, here: str, there: str) -> None:
    foreign, native = wall[here], wall[there]
    over = Meeting(
        mesh=wall.mesh,
        verifier=foreign.identity,
        peer=native.identity,
        verifier_key=foreign.key,
        peer_key=native.key,
    )
    await refused(over.challenge(), "NOT_PERMITTED", "AGENT_NOT_FOUND", "INVALID_REQUEST")
    among = Meeting(
        mesh=wall.mesh,
        verifier=native.identity,
        peer=wall.other(there).identity,
        verifier_key=native.key,
        peer_key=wall.other(there).key,
    )
    answer = await among.answer()
    await refused(wall.mesh.trust(agent_caller(foreign.identity)).VerifyPeer(answer), "NOT_PERMITTED")
    assert await among.refusals(await among.bent(environment=here))


decided = partial(case, package="ringfence.pdp.v1")


def _shown(wall: Wall, here: str, there: str) -> Iterator[tuple[decision_pb2.CheckRequest, str]]:
    """Yield what is asked of the pdp of there with something of here, and why it is denied."""
    yield _call(wall.other(there), there, delegation_token=wall.passes[here].token), "CHAIN_INVALID"
    yield _call(wall.other(here), there, delegation_token=wall.passes[here].token), "CHAIN_INVALID"
    yield _call(wall.other(here), there, delegation_token=wall.passes[there].token), "CHAIN_INVALID"
    yield _call(wall.other(there), there, elevation_grants=[wall.passes[here].elevation]), "ELEVATION_INVALID"
    yield _call(wall.other(here), there), "ENVIRONMENT_MISMATCH"


def _call(agent: Agent, environment: str, **shown: Any) -> decision_pb2.CheckRequest:
    """A call that only ring 1 may make, which nobody here is in."""
    action = "read_orders" if "elevation_grants" not in shown else ELEVATED
    return decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(did=agent.did),
        action=decision_pb2.Action(name=action),
        resource=decision_pb2.Resource(id=ELEVATED_RESOURCE),
        environment=environment,
        **shown,
    )


def _reason(response: decision_pb2.CheckResponse) -> str:
    return decision_pb2.DecisionReason.Name(response.reason).removeprefix("DECISION_REASON_")


@decided("DecisionService.Check")
async def checks(wall: Wall, here: str, there: str) -> None:
    for request, why in _shown(wall, here, there):
        assert _reason(await wall.pdp.decisions().Check(request)) == why


@decided("DecisionService.BatchCheck")
async def batches(wall: Wall, here: str, there: str) -> None:
    requests, whys = zip(*_shown(wall, here, there), strict=True)
    answer = await wall.pdp.decisions().BatchCheck(decision_pb2.BatchCheckRequest(requests=requests))
    assert [_reason(result.response) for result in answer.results] == list(whys)


@decided("DecisionService.Explain")
async def explanations(wall: Wall, here: str, there: str) -> None:
    for request, why in _shown(wall, here, there):
        explained = await wall.pdp.decisions().Explain(decision_pb2.ExplainRequest(request=request))
        assert _reason(explained.response) == why


@decided("DecisionService.CheckStream")
async def streams(wall: Wall, here: str, there: str) -> None:
    asked = list(enumerate(_shown(wall, here, there), start=1))
    call = wall.pdp.decisions().CheckStream()
    for number, (request, _) in asked:
        await call.write(decision_pb2.CheckStreamRequest(id=number, request=request))
    found: dict[int, str] = {}
    while len(found) < len(asked):
        said = await call.read()
        assert isinstance(said, decision_pb2.CheckStreamResponse)
        if said.WhichOneof("message") == "answer":
            found[said.answer.id] = _reason(said.answer.response)
    call.cancel()
    assert found == {number: why for number, (_, why) in asked}


@decided("DecisionService.ListAllowedTools")
async def tools(wall: Wall, here: str, there: str) -> None:
    for agent, shown in ((wall.other(there), here), (wall.other(here), here), (wall.other(here), there)):
        listed = await wall.pdp.decisions().ListAllowedTools(
            decision_pb2.ListAllowedToolsRequest(
                subject=decision_pb2.Subject(did=agent.did),
                environment=there,
                delegation_token=wall.passes[shown].token,
                show_denied=True,
            )
        )
        assert listed.tools
        assert {decision_pb2.DecisionReason.Name(one.reason) for one in listed.tools} == {
            "DECISION_REASON_CHAIN_INVALID"
        }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
async def test_what_is_of_an_environment_is_good_in_it(wall: Wall, environment: str) -> None:
    """So that what is refused elsewhere is refused for that reason and no other."""
    for request, why in _good(wall, environment):
        assert _reason(await wall.pdp.decisions().Check(request)) == why


@pytest.mark.asyncio(loop_scope="module")
@BOTH_WAYS
@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
async def test_what_is_of_here_is_refused_there(wall: Wall, method: MethodDescriptor, here: str, there: str) -> None:
    assert method.full_name in CASES, f"{method.full_name} takes {sorted(set(carrying(method.input_type)))}: add a case"
    before = await wall.log_size()
    await CASES[method.full_name](wall, here, there)
    assert await wall.log_size() == before


def test_no_case_is_about_a_method_that_is_gone() -> None:
    assert set(CASES) == {method.full_name for method in methods()}


@pytest.mark.asyncio(loop_scope="module")
@BOTH_WAYS
async def test_an_agent_of_here_asks_nothing_about_one_of_there(wall: Wall, here: str, there: str) -> None:
    trust, identity = (
        wall.mesh.trust(agent_caller(wall[here].identity)),
        wall.mesh.identity(agent_caller(wall[here].identity)),
    )
    own, did, other = wall[here].did, wall[there].did, wall.other(there).did
    before = await wall.log_size()
    listing = wall.delegations(by=wall[here])
    for call in (
        trust.GetTrust(trust_pb2.GetTrustRequest(did=did)),
        trust.ExplainTrust(trust_pb2.ExplainTrustRequest(did=did)),
        trust.CreateChallenge(peer_pb2.CreateChallengeRequest(verifier=did, peer=other, audience=AUDIENCE)),
        trust.CreateChallenge(peer_pb2.CreateChallengeRequest(verifier=own, peer=did, audience=AUDIENCE)),
        trust.IssueTrustStatement(peer_pb2.IssueTrustStatementRequest(did=did)),
        identity.GetAgentIdentity(pb.GetAgentIdentityRequest(did=did)),
        listing.ListDelegations(delegation_pb2.ListDelegationsRequest(environment=there)),
    ):
        await refused(call, "NOT_PERMITTED", "AGENT_NOT_FOUND")
    many = await trust.BatchGetTrust(trust_pb2.BatchGetTrustRequest(dids=[did]))
    assert many == trust_pb2.BatchGetTrustResponse(missing=[did])
    assert await wall.log_size() == before


@pytest.mark.asyncio(loop_scope="module")
@BOTH_WAYS
async def test_a_token_of_here_opens_no_door_there(wall: Wall, here: str, there: str) -> None:
    """As a bearer's, at identity itself: a token made for the issuer of there is by the wrong key, whoever asks."""
    issued = await wall.mesh.token(wall[here].identity, wall[here].key, audience=wall.issuer(there))
    stub = wall.mesh.trust(OPERATOR)
    metadata = (("authorization", f"Bearer {issued.access_token}"),)
    bare = type(stub)(wall.mesh.mesh.channel(ANONYMOUS))
    request = trust_pb2.GetTrustRequest(did=wall[there].did)
    found = await refusal(bare.GetTrust(request, metadata=metadata))
    assert found.code == "UNAUTHENTICATED"


@pytest.mark.asyncio(loop_scope="module")
@BOTH_WAYS
async def test_a_statement_of_here_is_nothing_by_the_registrar_of_there(wall: Wall, here: str, there: str) -> None:
    asked = peer_pb2.IssueTrustStatementRequest(did=wall[here].did)
    stated = (await wall.mesh.trust(SERVICE).IssueTrustStatement(asked)).statement
    registrar = await _registrar(wall, there)
    listed: Any = registrar["verificationMethod"]
    keys = {(key := from_multibase(method["publicKeyMultibase"])).thumbprint: key for method in listed}
    with pytest.raises(TrustStatementError):
        check_statement(stated, issuer=str(registrar["id"]), keys=keys, now=wall.mesh.clock.now())


def _grant(wall: Wall, delegator: Agent, delegatee: Agent, environment: str) -> str:
    now = Instant(wall.mesh.clock.now() // 1_000 * 1_000)
    grant = Grant(
        delegator=delegator.did,
        delegatee=delegatee.did,
        audiences=(AUDIENCE,),
        environment=environment,
        scopes=COMPLETE.permissions[:1],
        not_before=Instant(now - MINUTE),
        expires_at=Instant(now + 5 * MINUTE),
        issued_at=now,
        grant_id=f"{delegator.environment}-{delegatee.environment}",
        chain=f"{delegator.environment}-{delegatee.environment}",
        depth=1,
        max_depth=1,
        parent=delegator.identity.birth_certificate_hash,
    )
    return sign_grant(grant, delegator.key)


async def _passes(wall: Wall, environment: str) -> Passes:
    """Let identity give the second agent of an environment what it can show there."""
    buyer, seller = wall[environment], wall.other(environment)
    exchanged = await wall.delegations().ExchangeDelegation(
        delegation_pb2.ExchangeDelegationRequest(
            grants=[_grant(wall, buyer, seller, environment)],
            assertion=wall.mesh.assertion(seller.identity, seller.key),
            audience=AUDIENCE,
        )
    )
    until = Timestamp()
    until.FromMilliseconds(wall.mesh.clock.now() + HOUR)
    granted = await wall.mesh.trust().GrantElevation(
        trust_pb2.GrantElevationRequest(
            elevation=trust_pb2.Elevation(
                origin=seller.did,
                action=ELEVATED,
                resource=ELEVATED_RESOURCE,
                ring=1,
                approvals=1,
                expire_time=until,
                reason="to be shown elsewhere",
            )
        )
    )
    return Passes(exchanged.access_token, granted.grant)


async def _known(wall: Wall, environment: str) -> None:
    """Ask until the pdp knows the agents and the keys of an environment."""
    for request, why in _good(wall, environment):
        while _reason(await wall.pdp.decisions().Check(request)) != why:
            pass


def _good(wall: Wall, environment: str) -> Iterator[tuple[decision_pb2.CheckRequest, str]]:
    """Yield what is asked with what is good, and what is said once it was found to be."""
    agent, shown = wall.other(environment), wall.passes[environment]
    yield _call(agent, environment, delegation_token=shown.token), "CAPABILITY_NOT_DELEGATED"
    yield _call(agent, environment, elevation_grants=[shown.elevation]), "NO_BUNDLE"


async def _registrar(wall: Wall, environment: str) -> JsonObject:
    log = await wall.mesh.get(f"/{environment}/.well-known/did.jsonl")
    return stored_entry(log.splitlines()[-1]).state


async def _score(wall: Wall, agent: Agent) -> int:
    return (await wall.mesh.trust(SERVICE).GetTrust(trust_pb2.GetTrustRequest(did=agent.did))).trust.score
