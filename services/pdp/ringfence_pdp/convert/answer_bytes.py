"""A response as bytes, put together from pieces that most answers share.

Messages of protobuf that follow one another are one message with the fields of all (Encoding, "Last One Wins"), so what
a rule always says, what a ring is always held to and what one moment knows are written once and joined. That takes a
fifth of building a message, and the bytes say the same: a property test reads them back.

An answer in which more than one party had a say, that counted, that waits for people or that tells what filters found
is built like any message.
"""

from functools import lru_cache

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.clock import Instant
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.answer import Answer
from ringfence_pdp.cacheable import CacheHint
from ringfence_pdp.convert.decisions import hint_to_proto, put_verdict, response_to_proto
from ringfence_pdp.model import ALONE, Decision, Verdict

_REMEMBERED = 4_096
"""Verdicts, and decisions."""
_RINGS_AND_SCORES = 8_192

_DECISION_ID = b"\x22\x24"
"""Field 4, a text of 36 bytes: the length of a UUID."""
_UUID_LENGTH = 36

_MOMENT = slice(Answer._fields.index("bundle_digest"), Answer._fields.index("epoch") + 1)
"""Where an answer says what all answers of one moment have in common."""

_DECIDE_TIME = b"\x5a"
"""Field 11, a message."""

_RESULT_RESPONSE = b"\x0a"
"""Field 1 of BatchCheckResult, and field 1 of BatchCheckResponse."""


def response_bytes(answer: Answer) -> bytes:
    """Return the bytes of a CheckResponse."""
    decision = answer.decision
    if (
        decision.composed is not ALONE
        or answer.limits
        or answer.approval
        or answer.retry_after is not None
        or decision.findings
        or len(answer.decision_id) != _UUID_LENGTH
    ):
        return response_to_proto(answer).SerializeToString()
    known = _decided.get(id(decision))
    before, behind = known[1:] if known is not None and known[0] is decision else _pieces(decision)
    hint = b"" if answer.cache is None else _hint(answer.cache)
    return b"".join((before, answer.decision_id.encode(), behind, _moment(answer[_MOMENT]), hint))


def batch_bytes(results: list[bytes]) -> bytes:
    """Return the bytes of a BatchCheckResponse; `results` are those of its BatchCheckResults."""
    parts: list[bytes] = []
    for result in results:
        parts += (_RESULT_RESPONSE, varint(len(result)), result)
    return b"".join(parts)


def result_bytes(response: bytes) -> bytes:
    """Return the bytes of a BatchCheckResult with a response."""
    return b"".join((_RESULT_RESPONSE, varint(len(response)), response))


# What rules say is the same object each time; what is said to one request alone is not, and goes soon.
_said: dict[tuple[int, int], tuple[Verdict, bytes]] = {}
_decided: dict[int, tuple[Decision, bytes, bytes]] = {}


def _pieces(decision: Decision) -> tuple[bytes, bytes]:
    """Return what a decision says before its id, and behind it."""
    before = _verdict(decision.verdict, decision.ring) + _DECISION_ID
    behind = _standing(decision.ring, decision.score)
    if len(_decided) >= _REMEMBERED:
        _decided.clear()
    _decided[id(decision)] = (decision, before, behind)
    return before, behind


def _verdict(verdict: Verdict, ring: int) -> bytes:
    known = _said.get((id(verdict), ring))
    if known is not None and known[0] is verdict:
        return known[1]
    response = pb.CheckResponse()
    put_verdict(response, verdict, ring)
    made = response.SerializeToString()
    if len(_said) >= _REMEMBERED:
        _said.clear()
    _said[id(verdict), ring] = (verdict, made)
    return made


@lru_cache(maxsize=_RINGS_AND_SCORES)
def _standing(ring: int, score: int) -> bytes:
    return pb.CheckResponse(effective_ring=ring, trust_score=score).SerializeToString()


@lru_cache(maxsize=16)
def _moment(known: tuple[str, int, int, int, Instant, int]) -> bytes:
    bundle, identity_revision, registry_revision, policy_revision, now, epoch = known
    time = to_timestamp(now).SerializeToString()
    versions = _versions(bundle, identity_revision, registry_revision, policy_revision, epoch)
    return b"".join((versions, _DECIDE_TIME, varint(len(time)), time))


@lru_cache(maxsize=16)
def _versions(bundle: str, identity_revision: int, registry_revision: int, policy_revision: int, epoch: int) -> bytes:
    facts = pb.FactVersions(
        identity_revision=identity_revision, registry_revision=registry_revision, policy_revision=policy_revision
    )
    return pb.CheckResponse(bundle_digest=bundle, facts=facts, epoch=epoch).SerializeToString()


@lru_cache(maxsize=256)
def _hint(hint: CacheHint) -> bytes:
    return pb.CheckResponse(cache=hint_to_proto(hint)).SerializeToString()


@lru_cache(maxsize=4_096)
def varint(number: int) -> bytes:
    """Return a length as protobuf writes it: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
