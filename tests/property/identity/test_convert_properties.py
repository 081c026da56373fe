"""What goes through the wire form comes back as it was; whatever comes in is judged, never stumbled over."""

from contextlib import suppress
from dataclasses import replace

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.canonical_json import canonical
from ringfence_identity.birth_certificate import (
    ApprovedTool,
    ArtifactDigests,
    BirthContent,
    EvaluationGate,
    EvaluationPlan,
    content_json,
)
from ringfence_identity.convert import identities, lifecycle, tokens, trust
from ringfence_identity.convert.births import birth_content, birth_content_to_proto
from ringfence_identity.convert.sponsors import register_sponsor
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.trust.ledger import newborn
from ringfence_kit import records
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.trust_decay import DEBT_MAX, EARNED_MAX, TrustState
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_instant

NOW = Instant(1_767_225_600_000)

texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=30)
hashes = st.sampled_from(["", "sha256-" + "0" * 64, "sha256-" + "ab" * 32])
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
sponsors = st.just("") | labels.map(lambda label: f"sponsors/{label}")
micros = st.integers(0, 1_000_000)
scopes = st.from_regex(r"[a-z]{1,5}(:[a-z]{1,5}){0,2}(:\*)?", fullmatch=True)
tool_names = st.from_regex(r"[a-z0-9._-]{1,12}", fullmatch=True)

gates = st.builds(
    EvaluationGate,
    suite=texts,
    minimum_micros=micros,
    result_micros=st.none() | micros,
    evidence_hash=hashes,
    waived_by=sponsors,
)
contents = st.builds(
    BirthContent,
    purpose=texts,
    sponsor=sponsors,
    backup_sponsor=sponsors,
    permissions=st.lists(scopes, max_size=5, unique=True).map(tuple),
    approved_tools=st.lists(
        st.builds(ApprovedTool, name=tool_names, version=texts, schema_hash=hashes),
        max_size=4,
        unique_by=lambda tool: tool.name,
    ).map(tuple),
    ring_ceiling=st.integers(0, 3),
    max_delegation_depth=st.integers(0, 5),
    artifacts=st.builds(ArtifactDigests, image=texts, model=texts, prompt=texts),
    evaluation_plan=st.builds(EvaluationPlan, uri=texts, hash=hashes, gates=st.lists(gates, max_size=3).map(tuple)),
    derived_from=texts,
)
instants = st.integers(1, 2**41).map(Instant)
states = st.builds(
    TrustState,
    earned=st.integers(0, EARNED_MAX),
    debt=st.integers(0, DEBT_MAX),
    last_positive_at=instants,
    debt_at=instants,
    last_event_at=instants,
    stored_ring=st.integers(0, 3),
    promoted_at=st.just(EPOCH) | instants,
    penalised_at=st.just(EPOCH) | instants,
    ceiling=st.sampled_from([399, 699, 1000]),
    ring_zero_until=st.just(EPOCH) | instants,
)


@given(contents)
def test_birth_content_comes_back_as_it_was(content: BirthContent) -> None:
    found = Violations()
    assert birth_content(birth_content_to_proto(content), found) == content
    found.raise_if_any()


@given(contents, contents)
def test_two_contents_have_the_same_canonical_form_only_when_they_are_the_same(
    one: BirthContent, other: BirthContent
) -> None:
    assert (canonical(content_json(one)) == canonical(content_json(other))) == (one == other)


@given(contents, states, st.sampled_from(IdentityStatus), st.none() | instants)
def test_an_identity_is_stored_and_read_as_it_was(
    content: BirthContent, state: TrustState, status: IdentityStatus, revoked_at: Instant | None
) -> None:
    identity = AgentIdentity(
        uid="u",
        agent="namespaces/a/agents/b",
        environment="prod",
        did="did:webvh:x",
        status=status,
        key="z6Mk",
        did_version_id="1-x",
        content=content,
        certificate_serial=1,
        certificate_hash="h",
        trust=replace(newborn(ring_ceiling=1, debt=0, now=NOW), state=state),
        created_at=NOW,
        updated_at=NOW,
        revoked_at=revoked_at,
        revision=1,
    )
    assert records.decode(records.encode(identity), AgentIdentity) == identity
    message = identities.identity_to_proto(identity)
    assert message.HasField("revoke_time") == (revoked_at is not None)
    assert pb.AgentIdentity.FromString(message.SerializeToString()) == message


@given(states)
def test_whoever_reads_a_trust_state_computes_with_the_same_numbers(state: TrustState) -> None:
    message = trust.trust_state_to_proto(state)
    again = TrustState(
        earned=message.earned_micro_points,
        debt=message.debt_micro_points,
        last_positive_at=to_instant(message.last_positive_time),
        debt_at=to_instant(message.debt_time),
        last_event_at=to_instant(message.last_event_time),
        stored_ring=message.stored_ring,
        promoted_at=to_instant(message.promote_time),
        penalised_at=to_instant(message.penalty_time),
        ceiling=message.ceiling,
        ring_zero_until=to_instant(message.ring_zero_until_time),
    )
    assert again == state


@given(st.binary(max_size=200))
def test_no_message_makes_a_conversion_fail_otherwise(data: bytes) -> None:
    conversions = [
        (pb.RegisterSponsorRequest, register_sponsor),
        (pb.BeginRegistrationRequest, identities.begin_registration),
        (pb.CompleteRegistrationRequest, identities.complete_registration),
        (pb.GetAgentIdentityRequest, identities.get_agent_identity),
        (pb.ResolveDidRequest, identities.resolve_did),
        (pb.GetDidLogRequest, identities.get_did_log),
        (pb.RotateKeyRequest, lifecycle.rotate_key),
        (pb.ReportCompromiseRequest, lifecycle.report_compromise),
        (pb.SuspendRequest, lifecycle.suspend),
        (pb.ReinstateRequest, lifecycle.reinstate),
        (pb.RevokeRequest, lifecycle.revoke),
        (pb.WatchAgentsRequest, identities.watch_agents),
        (pb.IssueTokenRequest, tokens.issue_token),
        (pb.GetJwksRequest, tokens.get_jwks),
        (tpb.RecordSignalsRequest, trust.record_signals),
        (tpb.GetTrustRequest, trust.get_trust),
    ]
    for message, convert in conversions:
        try:
            request = message.FromString(data)  # type: ignore[attr-defined]  # every message has it
        except DecodeError:
            continue  # what protobuf refuses never reaches a conversion
        with suppress(InvalidRequest):
            convert(request)  # type: ignore[operator]  # each takes its own message


def test_a_violation_is_reported_under_its_path() -> None:
    found = Violations()
    birth_content(pb.BirthCertificateContent(ring_ceiling=9), found.at("birth_certificate"))
    with pytest.raises(InvalidRequest) as invalid:
        found.raise_if_any()
    assert invalid.value.violations[0].field == "birth_certificate.ring_ceiling"
