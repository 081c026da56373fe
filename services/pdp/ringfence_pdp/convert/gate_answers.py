"""What a gateway is told, as bytes: that a request may pass is written once for each decision, but for its id.

Everything a gateway is told then follows from the decision, the bundle and the epoch, and the id, which stands in it
twice and is as long each time. So a message is made with an id that is none, and cut where that stands. A denial is
told in the words of the call that is denied, and is made as a message each time.
"""

from collections.abc import Sequence
from typing import Final

from ringfence_pdp.answer import Answer
from ringfence_pdp.convert import ext_authz
from ringfence_pdp.convert.decisions import response_to_proto
from ringfence_pdp.doors.json_rpc import RpcBody
from ringfence_pdp.model import ALONE, Decision, Effect

_REMEMBERED: Final = 4_096
_NO_ID: Final = "\x00" * 36
"""As long as a UUID, and nothing that is written anywhere else."""


def answered_bytes(answers: Sequence[Answer], body: RpcBody | None) -> bytes:
    """Return the bytes of what `ext_authz.answered` returns."""
    answer = answers[0]
    if len(answers) == 1 and _is_plain(answer):
        parts = _passing(answer)
        if len(parts) == 3:
            return answer.decision_id.encode().join(parts)
    return ext_authz.answered(list(map(response_to_proto, answers)), body).SerializeToString()


def _is_plain(answer: Answer) -> bool:
    """Say whether a request may pass, and there is nothing to say of that but what the policies do."""
    decision = answer.decision
    return (
        decision.verdict.effect is Effect.ALLOW
        and decision.composed is ALONE
        and not decision.findings
        and not answer.approval
        and len(answer.decision_id) == len(_NO_ID)
    )


_Kept = tuple[Decision, tuple[str, int], list[bytes]]
# A rule's word to an agent is the same object each time; what is said to one request alone is not, and goes soon.
_passes: dict[int, _Kept] = {}


def _passing(answer: Answer) -> list[bytes]:
    """Return what is told before, between and behind the places where the id stands."""
    decision, besides = answer.decision, (answer.bundle_digest, answer.epoch)
    known = _passes.get(id(decision))
    if known is not None and known[0] is decision and known[1] == besides:
        return known[2]
    told = ext_authz.answered([response_to_proto(answer._replace(decision_id=_NO_ID))], None)
    parts = told.SerializeToString().split(_NO_ID.encode())
    if len(_passes) >= _REMEMBERED:
        _passes.clear()
    _passes[id(decision)] = (decision, besides, parts)
    return parts
