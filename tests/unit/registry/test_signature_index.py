"""Which agents' cards hang on whose keys: put in, changed, taken out, and nothing left behind."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.card_verdict import SignatureStatus, SignatureVerdict
from ringfence_kit import records
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.cards.signatures.index import SignatureIndex, signers_of
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport
from ringfence_registry.model import AGENT, LEASE, Agent, AgentState
from support.registry.agents import an_agent
from support.registry.signers import SigningAgent

ONE, OTHER = SigningAgent(), SigningAgent(agent="namespaces/finance/agents/other")


def verdict(
    signer: SigningAgent, payload: str = "aa", status: SignatureStatus = SignatureStatus.VERIFIED
) -> SignatureVerdict:
    known = status is SignatureStatus.VERIFIED
    return SignatureVerdict(
        index=0,
        status=status,
        key_id=signer.signer().key_id,
        signer=signer.did if known else "",
        payload_sha256=payload if known else "",
    )


def report(*verdicts: SignatureVerdict, seen_at: int = 0) -> SignatureReport:
    return SignatureReport(verdicts=verdicts, first_seen_at=Instant(seen_at))


def agent(name: str = "ledger", signatures: SignatureReport = UNSIGNED) -> Agent:
    return replace(an_agent(name), signatures=signatures)


def event(changed: Agent, kind: str = AGENT) -> Event:
    return Event(
        revision=Revision(1),
        change=Change.MODIFIED,
        kind=kind,
        name=str(changed.name),
        record=records.encode(changed),
        at=EPOCH,
        actor="tester",
    )


def test_an_agent_is_found_by_whoever_signed_its_card() -> None:
    index = SignatureIndex()
    index.fill([agent(signatures=report(verdict(ONE))), agent("plain")])
    assert index.signed_by(ONE.did) == ("namespaces/finance/agents/ledger",)
    assert index.signed_by(OTHER.did) == ()
    assert index.report("namespaces/finance/agents/plain") == UNSIGNED


def test_a_signer_nobody_knows_yet_is_remembered_too() -> None:
    index = SignatureIndex()
    index.apply(event(agent(signatures=report(verdict(ONE, status=SignatureStatus.UNTRUSTED_KEY)))))
    assert index.signed_by(ONE.did) == ("namespaces/finance/agents/ledger",)


def test_another_card_takes_the_place_of_the_one_before() -> None:
    index = SignatureIndex()
    index.apply(event(agent(signatures=report(verdict(ONE)))))
    index.apply(event(agent(signatures=report(verdict(OTHER, "bb")))))
    assert (index.signed_by(ONE.did), index.signed_by(OTHER.did)) == ((), ("namespaces/finance/agents/ledger",))
    assert not index.registered_before(["aa"], "", Instant(9))
    index.apply(event(agent()))
    assert index.signed_by(OTHER.did) == ()


@pytest.mark.parametrize("change", [{"state": AgentState.RETIRED}, {"deleted_at": Instant(1)}])
def test_who_has_ended_hangs_on_nobody(change: dict[str, object]) -> None:
    index = SignatureIndex()
    signed = agent(signatures=report(verdict(ONE)))
    index.apply(event(signed))
    index.apply(event(replace(signed, **change)))  # type: ignore[arg-type] # either change is one of Agent's own
    assert index.signed_by(ONE.did) == ()


def test_events_of_other_kinds_say_nothing() -> None:
    index = SignatureIndex()
    index.apply(event(agent(signatures=report(verdict(ONE))), LEASE))
    assert index.signed_by(ONE.did) == ()


def test_who_waits_for_keys_is_known_until_it_has_them() -> None:
    index = SignatureIndex()
    index.apply(event(agent(signatures=report(verdict(ONE, status=SignatureStatus.KEYS_UNAVAILABLE)))))
    assert index.waiting == ("namespaces/finance/agents/ledger",)
    index.apply(event(agent(signatures=report(verdict(ONE)))))
    assert not index.waiting


def test_a_copy_is_one_that_came_after_and_has_another_name() -> None:
    index = SignatureIndex()
    index.fill([agent(signatures=report(verdict(ONE), seen_at=5))])
    copy, first = "namespaces/evil/agents/copy", "namespaces/finance/agents/ledger"
    assert index.registered_before(["aa"], copy, Instant(5))
    assert not index.registered_before(["aa"], copy, Instant(4))
    assert not index.registered_before(["aa"], first, Instant(9))
    assert not index.registered_before(["bb"], copy, Instant(9))


def test_a_key_id_that_is_no_did_names_no_signer() -> None:
    pinned = SignatureVerdict(index=0, status=SignatureStatus.VERIFIED, key_id="release", signer="pinned")
    assert signers_of(report(pinned)) == set()


REPORTS = st.sampled_from(
    [UNSIGNED, report(verdict(ONE)), report(verdict(OTHER, "bb")), report(verdict(ONE), verdict(OTHER, "bb"))]
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), REPORTS, st.booleans())))
def test_it_knows_what_a_look_at_every_agent_would_tell(changes: list[tuple[str, SignatureReport, bool]]) -> None:
    index, stands = SignatureIndex(), dict[str, SignatureReport]()
    for name, signatures, ended in changes:
        changed = agent(name, signatures)
        index.apply(event(replace(changed, state=AgentState.RETIRED) if ended else changed))
        stands[str(changed.name)] = UNSIGNED if ended else signatures
    for signer in (ONE, OTHER):
        expected = {name for name, held in stands.items() if signer.did in signers_of(held)}
        assert set(index.signed_by(signer.did)) == expected
    for payload in ("aa", "bb"):
        has = any(each.payload_sha256 == payload for held in stands.values() for each in held.verdicts)
        assert index.registered_before([payload], "", Instant(0)) is has
