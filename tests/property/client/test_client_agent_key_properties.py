"""What an agent signs with the public client is what identity builds and accepts."""

from unicodedata import normalize

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.agent_key import AgentKey, registration_input
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.public_keys import import_key
from ringfence_identity.client_assertion import check_assertion, read_assertion
from ringfence_identity.convert.births import birth_content
from ringfence_identity.enrolment_challenge import signing_input
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.validation import Violations

# Identity takes text in Unicode normal form C only.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: normalize("NFC", text)
)
LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HASH = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256-{}".format)
SPONSOR = LABEL.map("sponsors/{}".format)
GATE = st.builds(
    pb.EvaluationGate,
    suite=TEXT,
    minimum_micros=st.integers(0, 1_000_000),
    result_micros=st.none() | st.integers(0, 1_000_000),
    evidence_hash=HASH,
    waived_by=st.just("") | SPONSOR,
)
CONTENT = st.builds(
    pb.BirthCertificateContent,
    purpose=TEXT,
    sponsor=SPONSOR,
    backup_sponsor=SPONSOR,
    permissions=st.lists(LABEL.map("{}:read".format), min_size=1, max_size=3, unique=True),
    approved_tools=st.lists(
        st.builds(pb.ApprovedTool, name=LABEL, version=st.just("") | LABEL, schema_hash=st.just("") | HASH),
        max_size=2,
        unique_by=lambda tool: tool.name,
    ),
    ring_ceiling=st.integers(1, 3),
    max_delegation_depth=st.integers(0, 5),
    artifacts=st.builds(pb.ArtifactDigests, image=HASH, model=st.just("") | LABEL),
    evaluation_plan=st.builds(
        pb.EvaluationPlan,
        uri=LABEL.map("https://{}.example/plan".format),
        hash=HASH,
        gates=st.lists(GATE, min_size=1, max_size=2, unique_by=lambda gate: gate.suite),
    ),
    derived_from=st.just("") | LABEL.map("did:webvh:{}".format),
)


@given(challenge=st.binary(min_size=1, max_size=64), content=CONTENT)
@settings(deadline=None)
def test_both_sides_build_the_same_bytes_to_sign(challenge: bytes, content: pb.BirthCertificateContent) -> None:
    found = Violations()
    parsed = birth_content(content, found)
    found.raise_if_any()
    assert registration_input(challenge, content) == signing_input(challenge, parsed)


@given(
    did=TEXT, issuer=TEXT, now=st.integers(0, 2**39), jti=st.text("abc-0", min_size=1, max_size=40), life=st.integers(1)
)
def test_identity_accepts_every_assertion(did: str, issuer: str, now: int, jti: str, life: int) -> None:
    key = AgentKey.generate()
    read = read_assertion(key.assertion(did=did, issuer=issuer, now=now, jti=jti, lifetime=life))
    assertion = check_assertion(read, key=import_key(key.public_key), issuer=issuer, now=Instant(now * SECOND))
    assert (read.subject, assertion.jti) == (did, jti)
