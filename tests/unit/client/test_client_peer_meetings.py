"""Meetings without a wire and without identity: what each side accepts of the other, and all it does not."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from ringfence.agent_key import AgentKey
from ringfence.errors import DeadlineExceededError, RingfenceError, UnavailableError
from ringfence.identity.v1.peer_pb2 import (
    PEER_REFUSAL_SCORE_TOO_LOW,
    CreateChallengeRequest,
    CreateChallengeResponse,
    VerifyPeerRequest,
    VerifyPeerResponse,
)
from ringfence.identity.v1.revocation_pb2 import (
    REVOCATION_EVENT_TYPE_BOOKMARK,
    REVOCATION_EVENT_TYPE_REVOKED,
    REVOCATION_KIND_AGENT,
    Revocation,
    WatchRevocationsResponse,
)
from ringfence.instants import SECOND, Instant
from ringfence.peer_cache import Moment
from ringfence.peer_messages import PeerMessageError, confirmation_of, read_answer, read_confirmation, read_invitation
from ringfence.peers import (
    Met,
    PeerNotVerifiedError,
    PeerRefusal,
    PeerRefusedError,
    PeerVerifier,
    Requirements,
    RevocationsSilentError,
)
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.peer_transcript import PeerRole, signing_input
from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.trust_statement import TrustStatement
from ringfence.registrar import TrustedRegistrar
from support.peer_meetings import NOW, OTHER_KEY, PEER_KEY, SCID, VERIFIER_KEY, PlainKey, did_of

REGISTRAR_KEY = PlainKey(90)
REGISTRAR = TrustedRegistrar(
    did=f"did:webvh:{SCID}:prod.id.example.com", keys={REGISTRAR_KEY.public.thumbprint: REGISTRAR_KEY.public}
)
PLACE = "https://orders.example.com"
VERSION = f"1-{SCID}"


@dataclass
class Clock:
    """Both clocks of one machine."""

    at: Moment = field(default_factory=lambda: Moment(steady=500.0, wall=NOW / SECOND))

    def __call__(self) -> Moment:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at = self.at.after(seconds)


@dataclass
class FakeTrust:
    """Identity as one agent sees it: gives challenges, and the verdict it was told to give, or is away."""

    clock: Clock
    verdict: dict[str, Any] = field(default_factory=dict)
    away: RingfenceError | None = None
    before_verdict: Callable[[], None] = lambda: None
    asked: list[VerifyPeerRequest] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    ahead: int = 0
    """By how many seconds its clock is ahead of the agent's."""

    def CreateChallenge(
        self, request: CreateChallengeRequest, /, *, timeout: float | None = None
    ) -> CreateChallengeResponse:
        self.timeouts.append(timeout)
        if self.away is not None:
            raise self.away
        return CreateChallengeResponse(challenge=bytes(57), expire_time=self._in(30))

    def VerifyPeer(self, request: VerifyPeerRequest, /, *, timeout: float | None = None) -> VerifyPeerResponse:
        self.timeouts.append(timeout)
        self.asked.append(request)
        self.before_verdict()
        if self.away is not None:
            raise self.away
        said = {
            "verified": True,
            "peer": did_of("P"),
            "environment": "prod",
            "score": 650,
            "ring": 2,
            "did_version_id": VERSION,
            "revocation_epoch": 3,
            "expire_time": self._in(300),
            "mutual": True,
        }
        return VerifyPeerResponse(**{**said, **self.verdict})

    def _in(self, seconds: int) -> Timestamp:
        return Timestamp(seconds=int(self.clock.at.wall) + seconds + self.ahead)


def agent_key(name: str, key: PlainKey, environment: str = "prod") -> AgentKey:
    return AgentKey(
        private_key=key.private,
        did=did_of(name, environment=environment),
        environment=environment,
        did_version_id=VERSION,
    )


def stated(name: str, key: PlainKey, *, at: Moment, signer: PlainKey = REGISTRAR_KEY, **changes: Any) -> str:
    """Return a statement as the registrar makes it."""
    said = {
        "did": did_of(name),
        "environment": "prod",
        "active": True,
        "key": key.public,
        "did_version_id": VERSION,
        "revocation_epoch": 3,
        "score": 650,
        "ring": 2,
        "scopes": ("orders:*",),
    }
    issued_at = Instant(int(at.wall) * SECOND)
    statement = TrustStatement(
        issuer=REGISTRAR.did,
        standing=Standing(**{**said, **changes}),
        issued_at=issued_at,
        expires_at=Instant(issued_at + 60 * SECOND),
    )
    header = {"alg": "EdDSA", "kid": REGISTRAR_KEY.public.thumbprint, "typ": "trust+jwt"}
    return sign_compact_jws(dict(header), statement.claims(), signer)


@dataclass
class Sides:
    """A verifier V and a peer P on the same clock, by default without identity."""

    clock: Clock = field(default_factory=Clock)
    trust: FakeTrust | None = None
    p_stated: dict[str, Any] = field(default_factory=dict)
    v_stated: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = self.clock.at
        v_statement = stated("V", VERIFIER_KEY, at=at, **self.v_stated)
        p_statement = stated("P", PEER_KEY, at=at, **self.p_stated)
        self.verifier = PeerVerifier(
            agent_key("V", VERIFIER_KEY),
            trust=self.trust,
            registrar=REGISTRAR,
            statements=lambda: v_statement,
            clock=self.clock,
        )
        self.peer = PeerVerifier(
            agent_key("P", PEER_KEY), registrar=REGISTRAR, statements=lambda: p_statement, clock=self.clock
        )

    def meet(self, **required: Any) -> Met:
        invited = self.verifier.invite(did_of("P"), audience=PLACE, require=Requirements(**required))
        return self.verifier.verify(invited, self.peer.answer(invited.message, audiences={PLACE}).message)

    def refused(self, **required: Any) -> set[PeerRefusal]:
        with pytest.raises(PeerRefusedError) as refused:
            self.meet(**required)
        with pytest.raises(PeerNotVerifiedError):
            self.verifier.require(did_of("P"))
        return set(refused.value.refusals)


def changed(message: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(message), **members}).encode()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TestByStatement:
    def test_both_sides_know_each_other_afterwards(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE, require=Requirements(score=600, ring=2))
        answered = sides.peer.answer(invited.message, audiences={PLACE, "https://other.example.com"})
        met = sides.verifier.verify(invited, answered.message)
        assert met.peer == sides.verifier.require(did_of("P"), Requirements(score=650, scopes=("orders:read",)))
        back = sides.peer.confirm(answered, met.confirmation, require=Requirements(score=650))
        assert (back.did, back.mutual) == (did_of("V"), True)

    @given(st.integers(0, 1_000), st.integers(0, 699), st.integers(2, 3))
    def test_a_verdict_is_a_matter_of_what_is_stated_and_required(self, score: int, wanted: int, ring: int) -> None:
        sides = Sides(p_stated={"score": score})
        if score >= wanted and ring >= 2:
            assert sides.meet(score=wanted, ring=ring).peer.score == score
        else:
            assert sides.refused(score=wanted, ring=ring) == {PeerRefusal.SCORE_TOO_LOW}

    def test_it_ends_with_the_statement(self) -> None:
        sides = Sides()
        sides.clock.advance(40)
        sides.meet()
        sides.clock.advance(19.9)
        assert sides.verifier.require(did_of("P")).score == 650
        sides.clock.advance(0.1)
        with pytest.raises(PeerNotVerifiedError):
            sides.verifier.require(did_of("P"))
        assert sides.refused() == {PeerRefusal.NOT_ACTIVE}

    def test_an_answer_counts_once(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        answered = sides.peer.answer(invited.message, audiences={PLACE})
        met = sides.verifier.verify(invited, answered.message)
        sides.peer.confirm(answered, met.confirmation)
        for again in (
            lambda: sides.verifier.verify(invited, answered.message),
            lambda: sides.peer.confirm(answered, met.confirmation),
        ):
            with pytest.raises(PeerRefusedError) as refused:
                again()
            assert refused.value.refusals == (PeerRefusal.REPLAYED,)

    def test_a_forged_answer_does_not_end_the_meeting(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        answer = sides.peer.answer(invited.message, audiences={PLACE}).message
        with pytest.raises(PeerRefusedError, match="PROOF_INVALID"):
            sides.verifier.verify(invited, changed(answer, signature=base64url(bytes(64))))
        assert sides.verifier.verify(invited, answer).peer.did == did_of("P")

    def test_a_late_answer_does_not_count(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        answer = sides.peer.answer(invited.message, audiences={PLACE}).message
        sides.clock.advance(30)
        with pytest.raises(PeerRefusedError, match="CHALLENGE_INVALID"):
            sides.verifier.verify(invited, answer)

    @pytest.mark.parametrize(
        "statement",
        [
            "",
            "a.b.c",
            stated("P", PEER_KEY, at=Clock().at, signer=OTHER_KEY),
            stated("P", PEER_KEY, at=Clock().at.after(-61.0)),
            stated("P", PEER_KEY, at=Clock().at, environment="dev"),
        ],
        ids=["none", "nonsense", "forged", "expired", "another environment"],
    )
    def test_what_is_not_stated_by_the_registrar_now_and_here_is_nothing(self, statement: str) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        answer = changed(sides.peer.answer(invited.message, audiences={PLACE}).message, statement=statement)
        with pytest.raises(PeerRefusedError) as refused:
            sides.verifier.verify(invited, answer)
        assert refused.value.refusals == (PeerRefusal.NOT_ACTIVE,)

    def test_another_agents_statement_is_worthless(self) -> None:
        """A captured statement is bound to its agent's key and DID."""
        sides = Sides()
        mallory = PeerVerifier(
            agent_key("P", OTHER_KEY),
            registrar=REGISTRAR,
            statements=lambda: stated("P", PEER_KEY, at=sides.clock.at),
            clock=sides.clock,
        )
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        with pytest.raises(PeerRefusedError) as refused:
            sides.verifier.verify(invited, mallory.answer(invited.message, audiences={PLACE}).message)
        assert refused.value.refusals == (PeerRefusal.PROOF_INVALID,)

    @pytest.mark.parametrize("epoch", [3, 4])
    def test_a_statement_older_than_a_revocation_that_was_heard_is_refused(self, epoch: int) -> None:
        sides = Sides(p_stated={"revocation_epoch": epoch})
        about = Revocation(kind=REVOCATION_KIND_AGENT, subject=did_of("P"), environment="prod", minimum_epoch=4)
        sides.verifier.hear(WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_BOOKMARK, initial_state_end=True))
        sides.verifier.hear(WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_REVOKED, revocation=about))
        assert sides.refused() == {PeerRefusal.NOT_ACTIVE}

    def test_rings_0_and_1_need_news_of_revocations(self) -> None:
        sides = Sides(p_stated={"score": 950, "ring": 0})
        with pytest.raises(RevocationsSilentError):
            sides.meet(ring=1)
        sides.verifier.hear(WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_BOOKMARK, initial_state_end=True))
        assert sides.meet(ring=1).peer.ring == 0
        sides.clock.advance(15)
        with pytest.raises(RevocationsSilentError):
            sides.verifier.require(did_of("P"), Requirements(ring=1))
        assert sides.verifier.require(did_of("P"), Requirements(ring=2)).ring == 0

    def test_reflection_the_peers_own_signature_is_no_confirmation(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        answered = sides.peer.answer(invited.message, audiences={PLACE})
        for confirmation in (
            confirmation_of(answered.answer.signature),
            confirmation_of(VERIFIER_KEY.sign(signing_input(PeerRole.PEER, answered.answer.signed))),
            confirmation_of(PEER_KEY.sign(signing_input(PeerRole.VERIFIER, answered.answer.signed))),
            b"{}",
        ):
            with pytest.raises(PeerRefusedError) as refused:
                sides.peer.confirm(answered, confirmation)
            assert refused.value.refusals == (PeerRefusal.PROOF_INVALID,)


class TestByIdentity:
    @pytest.fixture
    def sides(self) -> Sides:
        clock = Clock()
        return Sides(clock=clock, trust=FakeTrust(clock))

    def trust(self, sides: Sides) -> FakeTrust:
        assert sides.trust is not None
        return sides.trust

    def test_both_signatures_and_the_challenge_go_to_identity(self, sides: Sides) -> None:
        sides.meet(score=600)
        (asked,) = self.trust(sides).asked
        signed = asked.transcript
        assert asked.challenge == bytes(57)
        assert PEER_KEY.public.verifies(asked.peer_signature, signing_input(PeerRole.PEER, signed))
        assert VERIFIER_KEY.public.verifies(asked.verifier_signature, signing_input(PeerRole.VERIFIER, signed))
        assert self.trust(sides).timeouts == [2.0, 2.0]

    @pytest.mark.parametrize("ahead", [-86_400, 0, 86_400])
    def test_it_holds_as_long_as_identity_says_whatever_the_clocks(self, sides: Sides, ahead: int) -> None:
        self.trust(sides).ahead = ahead
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        shifted = Clock(Moment(sides.clock.at.steady, sides.clock.at.wall + ahead))
        peer = PeerVerifier(agent_key("P", PEER_KEY), clock=shifted)
        sides.verifier.verify(invited, peer.answer(invited.message, audiences={PLACE}).message)
        sides.clock.advance(299.9)
        assert sides.verifier.require(did_of("P")).score == 650
        sides.clock.advance(0.1)
        with pytest.raises(PeerNotVerifiedError):
            sides.verifier.require(did_of("P"))

    @pytest.mark.parametrize(
        ("verdict", "reason"),
        [
            ({"peer": did_of("Q")}, PeerRefusal.PROOF_INVALID),
            ({"environment": "dev"}, PeerRefusal.PROOF_INVALID),
            ({"mutual": False}, PeerRefusal.PROOF_INVALID),
            ({"score": 0}, PeerRefusal.SCORE_TOO_LOW),
            ({"ring": 3}, PeerRefusal.RING_INSUFFICIENT),
        ],
        ids=str,
    )
    def test_a_verdict_that_does_not_fit_is_none(
        self, sides: Sides, verdict: dict[str, Any], reason: PeerRefusal
    ) -> None:
        """A missing score is failure, not a default."""
        self.trust(sides).verdict = verdict
        assert sides.refused(score=1, ring=2) == {reason}

    def test_a_refusal_comes_with_identitys_reasons_known_or_not(self, sides: Sides) -> None:
        self.trust(sides).verdict = {"verified": False, "refusals": [PEER_REFUSAL_SCORE_TOO_LOW, 99]}
        assert sides.refused() == {PeerRefusal.SCORE_TOO_LOW}
        self.trust(sides).verdict = {"verified": False, "refusals": [99]}
        assert sides.refused() == set()

    def test_a_revocation_that_overtakes_the_verdict_wins(self, sides: Sides) -> None:
        about = Revocation(kind=REVOCATION_KIND_AGENT, subject=did_of("P"), environment="prod", minimum_epoch=4)
        sides.verifier.hear(WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_BOOKMARK, initial_state_end=True))
        self.trust(sides).before_verdict = lambda: sides.verifier.hear(
            WatchRevocationsResponse(type=REVOCATION_EVENT_TYPE_REVOKED, revocation=about)
        )
        assert sides.refused() == {PeerRefusal.NOT_ACTIVE}

    @pytest.mark.parametrize("error", [UnavailableError("away"), DeadlineExceededError("no answer")])
    def test_identity_away_is_done_without(self, sides: Sides, error: RingfenceError) -> None:
        self.trust(sides).away = error
        assert sides.meet().peer.scopes == ("orders:*",)
        assert not self.trust(sides).asked, "without a challenge there is nothing to ask"

    def test_any_other_failure_is_the_callers_to_see(self, sides: Sides) -> None:
        self.trust(sides).away = RingfenceError("broken")
        with pytest.raises(RingfenceError, match="broken"):
            sides.meet()

    def test_a_rotated_key_is_used_from_then_on(self, sides: Sides) -> None:
        sides.verifier.use_key(replace(agent_key("V", OTHER_KEY), did_version_id="2-Qm"))
        sides.meet()
        (asked,) = self.trust(sides).asked
        assert OTHER_KEY.public.verifies(asked.verifier_signature, signing_input(PeerRole.VERIFIER, asked.transcript))


class TestMessages:
    @pytest.mark.parametrize(
        ("members", "problem"),
        [
            ({"peer": did_of("Q")}, "it invites"),
            ({"environment": "dev"}, "of environment dev"),
            ({"audience": "https://mallory.example.com"}, "where we are not"),
            ({"exp": NOW // SECOND - 5, "iat": NOW // SECOND - 35}, "not for now"),
            ({"exp": NOW // SECOND + 60, "iat": NOW // SECOND + 30}, "not for now"),
            ({"exp": NOW // SECOND + 31, "iat": NOW // SECOND}, "such terms"),
            ({"require": {"ring": 4, "scopes": [], "score": 0}}, "such terms"),
            ({"require": {"ring": 3, "scopes": ["*"], "score": 0}}, "such terms"),
            ({"require": {"ring": 3, "scopes": [7], "score": 0}}, "not a string"),
            ({"require": {"ring": 3, "scopes": []}}, "not an invitation"),
            ({"require": {"ring": True, "scopes": [], "score": 0}}, "such terms"),
            ({"more": 1}, "not an invitation"),
            ({"exp": 10**30}, "such terms"),
            ({"exp": "soon"}, "not an invitation"),
            ({"challenge": "%%%"}, "base64url"),
            ({"challenge": "AB"}, "spelled"),
        ],
        ids=str,
    )
    def test_an_invitation_that_is_not_ours_to_answer_is_not_signed(
        self, members: dict[str, Any], problem: str
    ) -> None:
        """Relay: an invitation to another place, passed on to us, would let us be met there."""
        sides = Sides()
        invited = sides.verifier.invite(did_of("P"), audience=PLACE)
        with pytest.raises(PeerMessageError, match=problem):
            sides.peer.answer(changed(invited.message, **members), audiences={PLACE})

    def test_an_agent_does_not_meet_itself(self) -> None:
        sides = Sides()
        invited = sides.verifier.invite(did_of("V"), audience=PLACE)
        with pytest.raises(PeerMessageError, match="nobody meets itself"):
            sides.verifier.answer(invited.message, audiences={PLACE})

    def test_an_answer_to_another_invitation_is_refused(self) -> None:
        sides = Sides()
        one, other = (sides.verifier.invite(did_of("P"), audience=PLACE) for _ in range(2))
        answer = sides.peer.answer(one.message, audiences={PLACE}).message
        with pytest.raises(PeerRefusedError, match="another invitation"):
            sides.verifier.verify(other, answer)
        lowered = sides.verifier.invite(did_of("P"), audience=PLACE, require=Requirements(score=900))
        bent = changed(lowered.message, require={"ring": 3, "scopes": [], "score": 0})
        with pytest.raises(PeerRefusedError, match="another invitation"):
            sides.verifier.verify(lowered, sides.peer.answer(bent, audiences={PLACE}).message)

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_no_bytes_make_a_reader_fail_otherwise(self, data: bytes) -> None:
        for read in (read_invitation, read_answer, read_confirmation):
            with pytest.raises(PeerMessageError):
                read(data)

    def test_a_message_beyond_any_size_is_not_read(self) -> None:
        with pytest.raises(PeerMessageError, match="longer than"):
            read_answer(b" " * 1_000_000)

    @pytest.mark.parametrize("deep", [b"[" * 50_000, b'{"a":' * 20_000])
    def test_nor_one_beyond_any_depth(self, deep: bytes) -> None:
        with pytest.raises(PeerMessageError):
            read_invitation(deep[:70_000])

    def test_a_thousand_invitations_nobody_answers_do_no_harm(self) -> None:
        sides = Sides()
        first = sides.verifier.invite(did_of("P"), audience=PLACE)
        messages = {sides.verifier.invite(did_of("P"), audience=PLACE).message for _ in range(1_000)}
        assert len(messages) == 1_000
        met = sides.verifier.verify(first, sides.peer.answer(first.message, audiences={PLACE}).message)
        assert met.peer.did == did_of("P")


def test_the_messages_have_the_members_the_readme_says() -> None:
    """services/identity/README.md, "Verifying a peer"."""
    sides = Sides()
    invited = sides.verifier.invite(did_of("P"), audience=PLACE)
    answered = sides.peer.answer(invited.message, audiences={PLACE})
    met = sides.verifier.verify(invited, answered.message)
    readme = (Path(__file__).parents[3] / "services" / "identity" / "README.md").read_text(encoding="utf-8")
    said = {"invitation": invited.message, "answer": answered.message, "confirmation": met.confirmation}
    for name, message in said.items():
        (row,) = (line for line in readme.splitlines() if line.startswith(f"| {name}, "))
        assert set(re.findall(r"`([a-z]+)`", row)) == set(json.loads(message))
    transcript = json.loads(answered.answer.signed)
    table = readme.split("The **transcript**")[1].split("Each side signs")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {member for row in rows for member in re.findall(r"`([a-zA-Z]+)`", row)} == set(transcript)
