"""A request for every method that is answered, so that a test can spoil one thing about it and nothing else.

Whoever can be made twice is made anew for each call: a registration that was answered once is refused for that reason
the second time, and for no other.
"""

import itertools
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.agent_key import AgentKey
from ringfence.delegation import Handover, begin_chain, exchange_request, rights_of
from ringfence.enrolment import enrolled
from ringfence.identity.v1 import (
    credential_pb2,
    delegation_pb2,
    identity_pb2,
    peer_pb2,
    revocation_pb2,
    transparency_pb2,
    trust_pb2,
)
from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceStub
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub, IdentityServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pdp.v1 import bundle_pb2, decision_pb2, filter_pb2, snapshot_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.peer_cache import Moment
from ringfence.peer_meetings import Meetings
from ringfence.proofs.peer_transcript import Requirements
from ringfence.proofs.rotation import rotation_input
from ringfence.registry.v1 import card_pb2, catalog_pb2, namespace_pb2, registry_pb2
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.telemetry.v1 import audit_pb2, health_pb2, telemetry_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence_kit.clock import DAY, HOUR, Instant, Millis, SystemClock
from ringfence_kit.wire import to_timestamp
from ringfence_kit.witness_keys import publish_witness_key

from support.mesh import people_requests
from support.mesh.agent_life_requests import AgentLifeRequests
from support.mesh.audit import decision_body, logged
from support.mesh.birth import answer_to_challenge, birth_certificate, enrol, register_sponsors
from support.mesh.doors import Doors
from support.mesh.evaluation_requests import EvaluationRequests
from support.mesh.people_requests import PeopleRequests
from support.mesh.price_requests import PriceRequests
from support.mesh.promise_requests import PromiseRequests
from support.mesh.rollout_requests import RolloutRequests
from support.mesh.sound_tool_requests import ToolRequests
from support.mesh.spans import one_log, one_metric, one_trace
from support.mesh.spending_requests import SpendingRequests
from support.mesh.story import EXAMPLE_CARD, NAMESPACE, POLICY, READ, Story, effect_is
from support.mesh.workflow_requests import WorkflowRequests
from support.pdp.gateway import envoy_request, tool_call
from support.telemetry.witnessing import cosigner, line_under

ISSUER = "https://dev.id.ringfence.internal"
PLACE = "https://orders.example.com"

FOR_SERVICES = frozenset(
    {
        "TrustService/CreateChallenge",
        "TrustService/VerifyPeer",
        "TrustService/IssueTrustStatement",
        "SnapshotService/UploadDecisions",
    }
)
"""Methods that are not the operator's: agents meet, and services speak for them."""


def policy_files() -> list[bundle_pb2.PolicyFile]:
    """Return the files of a bundle."""
    return [bundle_pb2.PolicyFile(path="house.yaml", content=POLICY), people_requests.FILE]


def owned(key: AgentKey, identity: identity_pb2.AgentIdentity) -> AgentKey:
    """Return `key`, knowing whose it is."""
    return enrolled(key, identity_pb2.CompleteRegistrationResponse(identity=identity))


def meetings_of(key: AgentKey) -> Meetings:
    """Return the meetings of the agent that holds `key`, on the clocks of this machine."""
    return Meetings(key, registrar=None, clock=_now, new_nonce=lambda: secrets.token_bytes(32))


def _content() -> filter_pb2.ScanRequest:
    request = filter_pb2.ScanRequest(tool="mail.send", action="send_mail")
    request.arguments.update({"to": "ada@example.com", "body": "The figures of May are in the folder."})
    request.argument_types["/body"] = filter_pb2.ARGUMENT_TYPE_FREE_TEXT
    request.argument_origins["/body"] = filter_pb2.ORIGIN_TOOL_OUTPUT
    return request


def _in(duration: Millis) -> Timestamp:
    return to_timestamp(Instant(SystemClock().now() + duration))


def _now() -> Moment:
    return Moment(steady=time.monotonic(), wall=time.time())


@dataclass(slots=True, kw_only=True)
class SoundRequests:
    """Requests about what `prepared` put into the mesh."""

    doors: Doors
    story: Story
    agent: str
    did: str
    key: AgentKey
    content: identity_pb2.BirthCertificateContent
    work: WorkflowRequests
    _numbers: "itertools.count[int]"
    _kept: dict[str, str] = field(default_factory=dict)
    _waiting: list[str] = field(default_factory=list)

    @classmethod
    async def prepared(cls, doors: Doors) -> "SoundRequests":
        """Put two agents, a policy, a decision and some usage into the mesh."""
        story = doors.story()
        agent = await story.register("analyst")
        await story.register("second")
        key = AgentKey.generate()
        identity = doors.channel("identity")
        first, second = await register_sponsors(identity, "ada", "grace")
        content = birth_certificate(sponsor=first, backup=second)
        identified = await enrol(identity, parent=NAMESPACE, agent_id="analyst", content=content, key=key)
        await enrol(identity, parent=NAMESPACE, agent_id="second", content=content)
        await BundleServiceStub(doors.kept_channel("pdp")).PushBundle(
            bundle_pb2.PushBundleRequest(files=policy_files())
        )
        allowed, _ = await story.told(agent, effect_is(decision_pb2.EFFECT_ALLOW))
        await story.trace(identified.did)
        await logged(AuditServiceStub(doors.channel("telemetry")), allowed.decision_id)
        work = WorkflowRequests(identified.did, doors.kept_channel("telemetry"))
        await work.prepare()
        return cls(
            work=work,
            doors=doors,
            story=story,
            agent=agent,
            did=identified.did,
            key=owned(key, identified),
            content=content,
            _numbers=itertools.count(),
        )

    async def request(self, method: str) -> Message:
        """Return a new request of `RegistryService/GetAgent` and its like."""
        return await self._makers()[method]()

    def methods(self) -> frozenset[str]:
        """Return the methods there is a request for."""
        return frozenset(self._makers())

    @property
    def _tools(self) -> ToolRequests:
        return ToolRequests(self.doors.kept_channel("registry"), self._numbers, self._kept)

    @property
    def _people(self) -> PeopleRequests:
        channel = self.doors.kept_channel("pdp")
        return PeopleRequests(channel=channel, agent=self.agent, numbers=self._numbers, waiting=self._waiting)

    def _makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        def always(message: Message) -> Callable[[], Awaitable[Message]]:
            async def make() -> Message:
                return message

            return make

        return {
            "RegistryService/RegisterAgent": self._register_agent,
            "RegistryService/GetAgent": always(registry_pb2.GetAgentRequest(name=self.agent)),
            "RegistryService/GetCard": always(registry_pb2.GetCardRequest(name=self.agent)),
            "RegistryService/GetCardAttestation": always(registry_pb2.GetCardAttestationRequest(name=self.agent)),
            "RegistryService/ValidateCard": always(registry_pb2.ValidateCardRequest(parent=NAMESPACE, card=b"[]")),
            "RegistryService/ListAgents": always(registry_pb2.ListAgentsRequest(parent=NAMESPACE, page_size=1)),
            "RegistryService/UpdateAgent": self._update_agent,
            "RegistryService/RetireAgent": self._retire_agent,
            "RegistryService/WatchAgents": always(
                registry_pb2.WatchAgentsRequest(parent=NAMESPACE, send_initial_state=True)
            ),
            "CatalogService/SearchAgents": always(
                catalog_pb2.SearchAgentsRequest(parent=NAMESPACE, query="analyst", page_size=1)
            ),
            "CatalogService/FindSimilarAgents": always(
                catalog_pb2.FindSimilarAgentsRequest(parent=NAMESPACE, purpose="Analyses numbers.")
            ),
            "CatalogService/GetFacets": always(catalog_pb2.GetFacetsRequest(parent=NAMESPACE, fields=["risk_tier"])),
            "CatalogService/SelectAgent": always(
                catalog_pb2.SelectAgentRequest(parent=NAMESPACE, tags=["sql"], environment="dev")
            ),
            "CatalogService/ExportInventory": always(
                catalog_pb2.ExportInventoryRequest(parent=NAMESPACE, format=catalog_pb2.INVENTORY_FORMAT_CSV)
            ),
            "NamespaceService/GetNamespace": always(namespace_pb2.GetNamespaceRequest(name=NAMESPACE)),
            "NamespaceService/ListNamespaces": self._list_namespaces,
            "NamespaceService/UpdateNamespace": self._update_namespace,
            "IdentityService/RegisterSponsor": self._register_sponsor,
            "IdentityService/GetSponsor": always(identity_pb2.GetSponsorRequest(name=self.content.sponsor)),
            "IdentityService/ListSponsors": always(identity_pb2.ListSponsorsRequest(page_size=1)),
            "IdentityService/OffboardSponsor": self._offboard_sponsor,
            "IdentityService/BeginRegistration": self._begin_registration,
            "IdentityService/CompleteRegistration": self._complete_registration,
            "IdentityService/GetAgentIdentity": always(identity_pb2.GetAgentIdentityRequest(did=self.did)),
            "IdentityService/ListAgentIdentities": self._list_agent_identities,
            "IdentityService/ResolveDid": always(identity_pb2.ResolveDidRequest(did=self.did)),
            "IdentityService/GetDidLog": always(identity_pb2.GetDidLogRequest(did=self.did)),
            "IdentityService/RotateKey": self._rotate_key,
            "IdentityService/ReportCompromise": self._report_compromise,
            "IdentityService/Suspend": self._suspend,
            "IdentityService/Reinstate": self._reinstate,
            "IdentityService/Revoke": self._revoke,
            "IdentityService/WatchAgents": always(identity_pb2.WatchAgentsRequest(send_initial_state=True)),
            "IdentityService/WatchRevocations": always(
                revocation_pb2.WatchRevocationsRequest(environment="dev", send_initial_state=True)
            ),
            "CredentialService/IssueToken": self._issue_token,
            "CredentialService/GetJwks": always(identity_pb2.GetJwksRequest(environment="dev")),
            "CredentialService/IntrospectToken": self._introspect_token,
            "CredentialService/GetBirthCertificate": always(credential_pb2.GetBirthCertificateRequest(did=self.did)),
            "CredentialService/IssueBirthCertificate": self._issue_birth_certificate,
            "CredentialService/GetStatusList": always(revocation_pb2.GetStatusListRequest(environment="dev", list=1)),
            "CredentialService/ListIssuerKeys": always(credential_pb2.ListIssuerKeysRequest(environment="dev")),
            "CredentialService/RotateIssuerKey": self._rotate_issuer_key,
            "CredentialService/RevokeIssuerKey": self._revoke_issuer_key,
            "TrustService/RecordSignals": self._record_signals,
            "TrustService/GetTrust": always(trust_pb2.GetTrustRequest(did=self.did)),
            "TrustService/BatchGetTrust": always(trust_pb2.BatchGetTrustRequest(dids=[self.did])),
            "TrustService/ExplainTrust": always(trust_pb2.ExplainTrustRequest(did=self.did)),
            "TrustService/GrantRing": self._grant_ring,
            "TrustService/GrantElevation": self._grant_elevation,
            "TrustService/RevokeElevation": self._revoke_elevation,
            "TrustService/CreateChallenge": self._create_challenge,
            "TrustService/VerifyPeer": self._verify_peer,
            "TrustService/IssueTrustStatement": always(peer_pb2.IssueTrustStatementRequest(did=self.did)),
            "DelegationService/ExchangeDelegation": self._exchange_delegation,
            "DelegationService/RevokeDelegation": self._revoke_delegation,
            "DelegationService/ListDelegations": self._list_delegations,
            "TransparencyService/ListLogEntries": always(transparency_pb2.ListLogEntriesRequest(page_size=1)),
            "TransparencyService/GetCheckpoint": always(transparency_pb2.GetCheckpointRequest()),
            "TransparencyService/GetInclusionProof": always(transparency_pb2.GetInclusionProofRequest(index=0)),
            "TransparencyService/GetConsistencyProof": always(
                transparency_pb2.GetConsistencyProofRequest(first_tree_size=1)
            ),
            "UsageService/GetUsage": always(
                telemetry_pb2.GetUsageRequest(agent=self.did, group_by=[telemetry_pb2.USAGE_GROUP_AGENT])
            ),
            "HealthService/WatchHealth": always(health_pb2.WatchHealthRequest(send_initial_state=True)),
            "WorkflowService/ReportOutcome": self._report_outcome,
            "AuditService/AppendDecisions": self._append_decisions,
            "AuditService/GetEntry": always(audit_pb2.GetEntryRequest(index=0)),
            "AuditService/ListEntries": self._list_entries,
            "AuditService/GetCheckpoint": always(audit_pb2.GetCheckpointRequest()),
            "AuditService/GetInclusionProof": always(audit_pb2.GetInclusionProofRequest(index=0)),
            "AuditService/GetConsistencyProof": always(audit_pb2.GetConsistencyProofRequest(first_tree_size=1)),
            "AuditService/WatchCheckpoints": always(audit_pb2.WatchCheckpointsRequest()),
            "AuditService/GetTile": self._get_tile,
            "AuditService/AddCosignature": self._add_cosignature,
            "AuditService/ListWitnesses": always(audit_pb2.ListWitnessesRequest()),
            "TraceService/Export": always(one_trace(self.did)),
            "LogsService/Export": always(one_log()),
            "MetricsService/Export": always(one_metric()),
            "DecisionService/Check": always(self._question()),
            "DecisionService/BatchCheck": always(decision_pb2.BatchCheckRequest(requests=[self._question()])),
            "DecisionService/CheckStream": always(decision_pb2.CheckStreamRequest(id=1, request=self._question())),
            "DecisionService/ListAllowedTools": always(
                decision_pb2.ListAllowedToolsRequest(
                    subject=decision_pb2.Subject(agent=self.agent), environment="dev", show_denied=True, page_size=1
                )
            ),
            "DecisionService/WatchDecisions": always(
                decision_pb2.WatchDecisionsRequest(scope=NAMESPACE, effects=[decision_pb2.EFFECT_DENY])
            ),
            "Authorization/Check": always(envoy_request(tool_call())),
            "DecisionService/Explain": always(decision_pb2.ExplainRequest(request=self._question())),
            "BundleService/PushBundle": self._push_bundle,
            "BundleService/GetBundle": always(bundle_pb2.GetBundleRequest()),
            "BundleService/ValidateBundle": always(bundle_pb2.ValidateBundleRequest(files=policy_files())),
            "BundleService/TestBundle": always(bundle_pb2.TestBundleRequest(files=policy_files())),
            **self._tools.makers(),
            **self._people.makers(),
            **RolloutRequests(
                channel=self.doors.kept_channel("pdp"), files=policy_files(), numbers=self._numbers
            ).makers(),
            **EvaluationRequests(self.agent, self._numbers).makers(),
            **self.work.makers(),
            **PromiseRequests(self.agent, self.doors.kept_channel("telemetry"), self._numbers).makers(),
            **PriceRequests(self.doors.kept_channel("telemetry"), self._numbers).makers(),
            **SpendingRequests(self.did, self.doors.kept_channel("telemetry"), self._numbers).makers(),
            **AgentLifeRequests(self.doors.kept_channel("registry"), self._numbers, self._kept).makers(),
            "KillSwitchService/EngageKillSwitch": self._engage,
            "KillSwitchService/ReleaseKillSwitch": self._release,
            "KillSwitchService/ListKillSwitches": always(bundle_pb2.ListKillSwitchesRequest(page_size=1)),
            "SnapshotService/WatchSnapshot": always(snapshot_pb2.WatchSnapshotRequest(send_initial_state=True)),
            "SnapshotService/UploadDecisions": self._upload_decisions,
            "FilterService/Scan": always(_content()),
            "FilterService/ListFilterRules": always(filter_pb2.ListFilterRulesRequest(page_size=1)),
        }

    def _fresh(self) -> str:
        return f"fresh-{next(self._numbers)}"

    def _first_time(self, method: str) -> bool:
        """Say whether `method` is asked about the first time: a list that has two pages goes on having them."""
        return self._kept.setdefault(method, token := self._fresh()) == token

    async def _list_namespaces(self) -> Message:
        # Beside the namespace of the story another one, so that the list has two pages.
        await NamespaceServiceStub(self.doors.kept_channel("registry")).UpdateNamespace(await self._update_namespace())
        return namespace_pb2.ListNamespacesRequest(page_size=1)

    async def _update_namespace(self) -> namespace_pb2.UpdateNamespaceRequest:
        return namespace_pb2.UpdateNamespaceRequest(
            namespace=namespace_pb2.Namespace(
                name="namespaces/elsewhere",
                display_name=self._fresh(),
                visibility=namespace_pb2.VISIBILITY_ENTITLED,
                entitled_namespaces=[NAMESPACE],
                admission=namespace_pb2.AdmissionPolicy(
                    least_verdict=card_pb2.CARD_VERDICT_UPCONVERTED,
                    signatures=namespace_pb2.SIGNATURE_REQUIREMENT_NONE,
                    refused_findings=[card_pb2.FINDING_KIND_SECRET],
                ),
            )
        )

    async def _register_agent(self) -> Message:
        return registry_pb2.RegisterAgentRequest(
            parent=NAMESPACE,
            agent_id=self._fresh(),
            agent=registry_pb2.Agent(
                purpose="Answers questions.",
                owner=registry_pb2.Owner(display_name="Sales", contact="https://example.com/sales"),
                risk_tier=registry_pb2.RISK_TIER_LOW,
                environments=["dev"],
                labels={"tier": "gold"},
            ),
            card=EXAMPLE_CARD.read_bytes(),
            validate_only=True,
        )

    async def _update_agent(self) -> Message:
        changed = registry_pb2.Agent(name=self.agent, team=self._fresh())
        return registry_pb2.UpdateAgentRequest(agent=changed, validate_only=True)

    async def _retire_agent(self) -> Message:
        return registry_pb2.RetireAgentRequest(name=await self.story.register(self._fresh()))

    async def _register_sponsor(self) -> Message:
        sponsor = identity_pb2.Sponsor(display_name="Ada", contact="ada@example.com")
        return identity_pb2.RegisterSponsorRequest(sponsor_id=self._fresh(), sponsor=sponsor)

    async def _offboard_sponsor(self) -> Message:
        (name,) = await register_sponsors(self.doors.kept_channel("identity"), self._fresh())
        return identity_pb2.OffboardSponsorRequest(name=name, reason="They work elsewhere now.")

    async def _list_agent_identities(self) -> Message:
        await self._enrolled()
        return identity_pb2.ListAgentIdentitiesRequest(environment="dev", page_size=1)

    async def _begin_registration(self) -> Message:
        return identity_pb2.BeginRegistrationRequest(
            parent=NAMESPACE,
            agent_id=self._fresh(),
            environment="dev",
            sponsor=self.content.sponsor,
            birth_certificate=self.content,
        )

    async def _complete_registration(self) -> Message:
        return await answer_to_challenge(
            self.doors.kept_channel("identity"),
            parent=NAMESPACE,
            agent_id=self._fresh(),
            content=self.content,
            key=AgentKey.generate(),
        )

    async def _enrolled(self, key: AgentKey | None = None) -> identity_pb2.AgentIdentity:
        return await enrol(
            self.doors.kept_channel("identity"), parent=NAMESPACE, agent_id=self._fresh(), content=self.content, key=key
        )

    async def _rotate_key(self) -> Message:
        old, new, nonce = AgentKey.generate(), AgentKey.generate(), secrets.token_bytes(32)
        identity = await self._enrolled(old)
        message = rotation_input(
            did=identity.did,
            environment=identity.environment,
            version_id=identity.did_version_id,
            old_key=old.public_key,
            new_key=new.public_key,
            nonce=nonce,
        )
        return identity_pb2.RotateKeyRequest(
            did=identity.did,
            did_version_id=identity.did_version_id,
            new_public_key=new.public_key,
            nonce=nonce,
            old_key_proof=old.private_key.sign(message),
            new_key_proof=new.private_key.sign(message),
        )

    async def _report_compromise(self) -> Message:
        identity = await self._enrolled()
        return identity_pb2.ReportCompromiseRequest(
            did=identity.did, reason="It was in a backup.", compromised_since=identity.create_time
        )

    async def _suspend(self) -> identity_pb2.SuspendRequest:
        return identity_pb2.SuspendRequest(did=(await self._enrolled()).did, reason="It has to be looked at.")

    async def _reinstate(self) -> Message:
        suspending = await self._suspend()
        await IdentityServiceStub(self.doors.kept_channel("identity")).Suspend(suspending)
        return identity_pb2.ReinstateRequest(did=suspending.did, reason="It was looked at.")

    async def _revoke(self) -> Message:
        return identity_pb2.RevokeRequest(did=(await self._enrolled()).did, reason="It is over.")

    async def _issue_birth_certificate(self) -> Message:
        changed = identity_pb2.BirthCertificateContent()
        changed.CopyFrom(self.content)
        changed.purpose = "Answers other questions."
        return identity_pb2.IssueBirthCertificateRequest(did=(await self._enrolled()).did, birth_certificate=changed)

    async def _introspect_token(self) -> Message:
        asked = await self._issue_token()
        issued = await CredentialServiceStub(self.doors.kept_channel("identity")).IssueToken(asked)
        return credential_pb2.IntrospectTokenRequest(token=issued.access_token, audience=asked.audience)

    async def _rotate_issuer_key(self) -> Message:
        algorithm = ("EdDSA", "ES256")[next(self._numbers) % 2]
        return credential_pb2.RotateIssuerKeyRequest(environment="dev", algorithm=algorithm)

    async def _revoke_issuer_key(self) -> Message:
        rotate = credential_pb2.RotateIssuerKeyRequest(environment="dev", algorithm="EdDSA")
        next_key = await CredentialServiceStub(self.doors.kept_channel("identity")).RotateIssuerKey(rotate)
        return credential_pb2.RevokeIssuerKeyRequest(
            environment="dev", key_id=next_key.key.key_id, reason=self._fresh()
        )

    async def _issue_token(self) -> identity_pb2.IssueTokenRequest:
        assertion = self.key.assertion(did=self.did, issuer=ISSUER, now=int(time.time()), jti=str(uuid.uuid4()))
        return identity_pb2.IssueTokenRequest(assertion=assertion, audience="https://pdp.example.com")

    async def _record_signals(self) -> Message:
        signal = trust_pb2.Signal(
            signal_id=self._fresh(),
            did=self.did,
            environment="dev",
            kind=trust_pb2.SIGNAL_KIND_HEARTBEAT,
            evidence_hash=bytes(32),
            occur_time=to_timestamp(SystemClock().now()),
        )
        return trust_pb2.RecordSignalsRequest(signals=[signal])

    async def _grant_ring(self) -> Message:
        return trust_pb2.GrantRingRequest(did=self.did, expire_time=_in(DAY), reason=f"It earned it: {self._fresh()}.")

    async def _grant_elevation(self) -> trust_pb2.GrantElevationRequest:
        return trust_pb2.GrantElevationRequest(
            elevation=trust_pb2.Elevation(
                origin=self.did,
                action="export",
                resource=f"warehouse/{self._fresh()}",
                ring=1,
                approvals=2,
                expire_time=_in(HOUR),
                reason="The quarter ends.",
            )
        )

    async def _revoke_elevation(self) -> Message:
        trust = TrustServiceStub(self.doors.kept_channel("identity"))
        granted = await trust.GrantElevation(await self._grant_elevation())
        return trust_pb2.RevokeElevationRequest(name=granted.elevation.name, reason="The quarter has ended.")

    async def _exchange_delegation(self) -> delegation_pb2.ExchangeDelegationRequest:
        delegator, delegatee = await self._delegator(), await self._peer()
        handover = Handover(to=delegatee.did, scopes=tuple(self.content.permissions), audiences=(PLACE,))
        chain = begin_chain(delegator[0], rights_of(delegator[1]), handover)
        return exchange_request(delegatee, chain, issuer=ISSUER, audience=PLACE)

    async def _revoke_delegation(self) -> Message:
        exchange = await self._exchange_delegation()
        exchanged = await DelegationServiceStub(self.doors.kept_channel("identity")).ExchangeDelegation(exchange)
        return delegation_pb2.RevokeDelegationRequest(name=exchanged.delegation.name, reason="The work is done.")

    async def _list_delegations(self) -> Message:
        if self._first_time("ListDelegations"):
            identity = DelegationServiceStub(self.doors.kept_channel("identity"))
            for _ in range(2):
                await identity.ExchangeDelegation(await self._exchange_delegation())
        return delegation_pb2.ListDelegationsRequest(environment="dev", page_size=1)

    async def _delegator(self) -> tuple[AgentKey, identity_pb2.AgentIdentity]:
        key, content = AgentKey.generate(), identity_pb2.BirthCertificateContent()
        content.CopyFrom(self.content)
        content.max_delegation_depth = 2
        channel = self.doors.kept_channel("identity")
        identity = await enrol(channel, parent=NAMESPACE, agent_id=self._fresh(), content=content, key=key)
        return owned(key, identity), identity

    async def _create_challenge(self) -> Message:
        meetings, peer = meetings_of(self.key), await self._peer()
        return meetings.challenge_request(peer.did, PLACE, Requirements())

    async def _verify_peer(self) -> Message:
        meetings, peer = meetings_of(self.key), await self._peer()
        trust = TrustServiceStub(self.doors.kept_channel("identity", who="service"))
        asked_at = meetings.now()
        challenged = await trust.CreateChallenge(meetings.challenge_request(peer.did, PLACE, Requirements()))
        invited = meetings.invited(
            peer.did, PLACE, Requirements(), asked_at=asked_at, challenged=challenged, statement=""
        )
        answered = meetings_of(peer).answered(invited.message, audiences={PLACE}, statement="")
        return meetings.verify_request(invited, answered.answer)

    async def _peer(self) -> AgentKey:
        key = AgentKey.generate()
        channel = self.doors.kept_channel("identity")
        identity = await enrol(channel, parent=NAMESPACE, agent_id=self._fresh(), content=self.content, key=key)
        return owned(key, identity)

    async def _report_outcome(self) -> Message:
        return telemetry_pb2.ReportOutcomeRequest(
            did=self.did, environment="dev", outcome=telemetry_pb2.OUTCOME_ACCEPTED, work_id=self._fresh()
        )

    async def _list_entries(self) -> Message:
        if self._first_time("ListEntries"):
            await AuditServiceStub(self.doors.kept_channel("telemetry")).AppendDecisions(await self._append_decisions())
        return audit_pb2.ListEntriesRequest(page_size=1)

    async def _get_tile(self) -> Message:
        if self._first_time("GetTile"):
            await AuditServiceStub(self.doors.kept_channel("telemetry")).AppendDecisions(await self._append_decisions())
        return audit_pb2.GetTileRequest(level=0, index=0)

    async def _add_cosignature(self) -> Message:
        witness = cosigner("tests.example/witness")
        publish_witness_key(self.doors.layout.data, "tests", witness.witness)
        stub = AuditServiceStub(self.doors.kept_channel("telemetry"))
        head = (await stub.GetCheckpoint(audit_pb2.GetCheckpointRequest())).checkpoint
        line = line_under(head.signed_note, by=witness)
        return audit_pb2.AddCosignatureRequest(tree_size=head.tree_size, signature_line=line)

    async def _append_decisions(self) -> audit_pb2.AppendDecisionsRequest:
        decision_id = str(uuid.uuid4())
        entry = audit_pb2.DecisionEntry(decision_id=decision_id, body=decision_body(decision_id))
        return audit_pb2.AppendDecisionsRequest(entries=[entry])

    async def _upload_decisions(self) -> Message:
        appended = (await self._append_decisions()).entries[0]
        entry = snapshot_pb2.UploadedDecision(decision_id=appended.decision_id, body=appended.body)
        return snapshot_pb2.UploadDecisionsRequest(entries=[entry])

    def _question(self) -> decision_pb2.CheckRequest:
        action, tool = READ
        arguments = Struct()
        arguments.update({"rows": 20})
        return decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(agent=self.agent),
            action=decision_pb2.Action(name=action, tool=tool, arguments=arguments),
            resource=decision_pb2.Resource(type="table", id="orders", labels={"region": "eu"}),
            environment="dev",
        )

    async def _push_bundle(self) -> Message:
        files = [bundle_pb2.PolicyFile(path=f"{self._fresh()}.yaml", content=POLICY), people_requests.FILE]
        return bundle_pb2.PushBundleRequest(files=files, validate_only=True)

    async def _engage(self) -> bundle_pb2.EngageKillSwitchRequest:
        target = bundle_pb2.KillTarget(agent=f"{NAMESPACE}/agents/{self._fresh()}")
        return bundle_pb2.EngageKillSwitchRequest(target=target, reason="It misbehaves.")

    async def _release(self) -> Message:
        switches = KillSwitchServiceStub(self.doors.kept_channel("pdp"))
        engaged = await switches.EngageKillSwitch(await self._engage())
        return bundle_pb2.ReleaseKillSwitchRequest(name=engaged.kill_switch.name, reason="It does not.")
