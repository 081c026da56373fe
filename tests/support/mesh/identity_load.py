"""Registers sponsors, enrols agents, records evidence about them and revokes some; then compares."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.errors import AlreadyExistsError
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.identity.v1.transparency_pb2 import GetCheckpointRequest, ListLogEntriesRequest, LogEntry
from ringfence.identity.v1.transparency_pb2_grpc import TransparencyServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.proofs.merkle import Frontier, leaf_hash

from support.mesh.birth import birth_certificate, enrol
from support.mesh.event_rows import stored_events
from support.mesh.load import PATIENCE_S, Pulse, new_request_id, until_acknowledged
from support.mesh.witness import Witness, resuming

ACCEPTED = (trust_pb2.SIGNAL_OUTCOME_APPLIED, trust_pb2.SIGNAL_OUTCOME_DUPLICATE)


class IdentityLoad:
    """What identity promised."""

    def __init__(self, channel: grpc.aio.Channel, database: Path) -> None:
        self.pulse = Pulse()
        self._channel = channel
        self._database = database
        self._stub = IdentityServiceStub(channel)
        self._trust = TrustServiceStub(channel)
        self._sponsors: dict[str, pb.RegisterSponsorRequest] = {}
        self._answers: dict[str, pb.Sponsor] = {}
        self._changes: Counter[str] = Counter()
        self._revoked: dict[str, pb.AgentIdentity] = {}
        self._stories = 0
        self.witnesses: list[Witness[Any, str]] = [
            Witness(
                resuming(self._stub.WatchAgents, pb.WatchAgentsRequest(start_revision=1)),
                lambda answer: answer.identity.did,
            )
            for _ in range(2)
        ]

    async def write_one(self, writer: int) -> None:
        """Register two sponsors, enrol an agent they answer for, report on it; every second one is revoked."""
        self._stories += 1
        story = self._stories
        first = await self._register_sponsor(f"ada-{story}")
        second = await self._register_sponsor(f"grace-{story}")
        content = birth_certificate(sponsor=first, backup=second)
        identity = await enrol(
            self._channel, parent="namespaces/load", agent_id=f"w{writer}-{story}", content=content, pulse=self.pulse
        )
        self._changes[identity.did] += 1
        await self._report(identity.did)
        if story % 2 == 0:
            revoking = pb.RevokeRequest(did=identity.did, reason="the load is over", request_id=new_request_id())
            revoked = await until_acknowledged(self.pulse, self._stub.Revoke, revoking)
            self._changes[identity.did] += 1
            self._revoked[identity.did] = revoked.identity

    async def check(self) -> None:
        """Hold identities, sponsors, the stored events and the watchers' against what was acknowledged."""
        for did, changes in self._changes.items():
            question = pb.GetAgentIdentityRequest(did=did)
            found = await self._stub.GetAgentIdentity(question, timeout=PATIENCE_S, wait_for_ready=True)
            if did in self._revoked:
                assert found.identity == self._revoked[did]
            else:
                assert (found.identity.status, changes) == (pb.IDENTITY_STATUS_ACTIVE, 2)
        for sponsor_id, request in self._sponsors.items():
            assert (await self._stub.RegisterSponsor(request)).sponsor == self._answers[sponsor_id]
            request.request_id = new_request_id()
            try:
                await self._stub.RegisterSponsor(request)
            except AlreadyExistsError:
                continue
            raise AssertionError(f"sponsor {sponsor_id} was acknowledged, and is gone")
        events = stored_events(self._database)
        assert [event.revision for event in events] == list(range(1, len(events) + 1))
        of_agents = [event for event in events if event.kind == "identity" and event.name in self._changes]
        assert Counter(event.name for event in of_agents) == self._changes
        await self._check_log([event.revision for event in events])
        for witness in self.witnesses:
            await witness.reached(of_agents[-1].revision)
            assert list(zip(witness.revisions, witness.saw, strict=True)) == [
                (event.revision, event.name) for event in of_agents
            ]

    async def _check_log(self, revisions: list[int]) -> None:
        """Hold the log of mutations against the stored events and against what was signed: one entry each, in order."""
        log = TransparencyServiceStub(self._channel)
        signed = (await log.GetCheckpoint(GetCheckpointRequest())).checkpoint
        entries, token = list[LogEntry](), ""
        while token or not entries:
            page = await log.ListLogEntries(ListLogEntriesRequest(page_size=1_000, page_token=token))
            entries += page.entries
            token = page.next_page_token
        assert [json.loads(entry.body)["revision"] for entry in entries] == revisions
        tree, _ = Frontier().grow(leaf_hash(entry.body) for entry in entries)
        assert (tree.size, tree.root()) == (signed.tree_size, signed.root_hash)

    async def _register_sponsor(self, sponsor_id: str) -> str:
        request = pb.RegisterSponsorRequest(
            sponsor_id=sponsor_id,
            sponsor=pb.Sponsor(display_name=sponsor_id, contact=f"{sponsor_id}@example.com"),
            request_id=new_request_id(),
        )
        answer = await until_acknowledged(self.pulse, self._stub.RegisterSponsor, request)
        self._sponsors[sponsor_id], self._answers[sponsor_id] = request, answer.sponsor
        return answer.sponsor.name

    async def _report(self, did: str) -> None:
        """Record one denial; sent again after a kill it is a duplicate, and changes nothing."""
        now = Timestamp()
        now.GetCurrentTime()
        signal = trust_pb2.Signal(
            signal_id=new_request_id(),
            did=did,
            environment="dev",
            kind=trust_pb2.SIGNAL_KIND_ACTION_DENIED,
            evidence_hash=hashlib.sha256(did.encode()).digest(),
            occur_time=now,
        )
        request = trust_pb2.RecordSignalsRequest(signals=[signal])
        answer = await until_acknowledged(self.pulse, self._trust.RecordSignals, request)
        (result,) = answer.results
        assert result.outcome in ACCEPTED, result.detail
        self._changes[did] += 1
