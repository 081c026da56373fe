"""Puts decisions on record: what of a decision goes to the log, and with which evidence.

- denials, requests for approval and what filters flag always, other allowed calls at a rate the operator sets. Which of
  these is chosen follows from the decision's own id, which no caller has a say in;
- the question is in it as far as masks, and its size, allow; what is left out is named. What a tool says is a secret is
  masked, and so are secrets in what filters found something in, and in what is denied, which nobody may have looked at;
- what it stood on is told first.
"""

from collections.abc import Callable

from ringfence_pdp.answer import Answer
from ringfence_pdp.asked_document import asked_document, hiding
from ringfence_pdp.bundle import Bundle
from ringfence_pdp.case import Basis
from ringfence_pdp.decision_bytes import decision_bytes
from ringfence_pdp.decision_document import input_digest, keyed_digest
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.evidence import EvidenceKeeper, bundle_address
from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.pointers import tokens_of
from ringfence_pdp.masks import NO_MASKS, Masks
from ringfence_pdp.model import CheckRequest, Effect
from ringfence_pdp.routine import Routine
from ringfence_pdp.routine_documents import RoutineDocuments
from ringfence_pdp.secrets_out import may_hold

BODY_MAX = 64 * 1024
"""What the log takes."""

_TAIL = 2**32


class DecisionRecords:
    """Writes decisions into the log."""

    def __init__(
        self,
        log: DecisionLog,
        keeper: EvidenceKeeper,
        *,
        kept: Callable[[str], Bundle | None],
        key: Callable[[], bytes],
        masks: Masks = NO_MASKS,
        inputs: bool = True,
        allow_rate: float = 1.0,
    ) -> None:
        """`kept` returns a bundle by its digest, `key` what digests of questions not all in the log are made with.

        `inputs` says whether arguments, context and labels are logged."""
        self.log = log
        self.sampled_out = 0
        """Allowed calls that were not logged, since only a share of them is."""
        self._keeper = keeper
        self._kept = kept
        self._key = key
        self._masks = masks
        self._inputs = inputs
        self._allow_rate = allow_rate
        self._routines = RoutineDocuments(inputs=inputs)

    @property
    def stops_when_full(self) -> bool:
        """Whether to answer nothing at all while nothing can be logged."""
        return self.log.stops_when_full

    def take(
        self, request: CheckRequest, answer: Answer, basis: Basis, asked: bytes, routine: Routine | None = None
    ) -> None:
        """Log a decision; `routine`: which was asked, where the answer is as it was judged. Raises Unavailable when it
        cannot be kept.
        """
        decision_id, found = answer.decision_id, bool(answer.decision.findings)
        sampled = self._allow_rate < 1 and answer.decision.effect is Effect.ALLOW and not found
        if sampled and not self._chosen(decision_id):
            self.sampled_out += 1
            return
        log, digest = self.log, input_digest(decision_id, asked)
        secret = found or (answer.decision.effect is Effect.DENY and may_hold(request))
        if routine is not None and not secret:
            joined = self._routines.document(
                routine, request, answer, identity_age=basis.identity_age, digest=digest, failures=log.failures
            )
            if joined is not None and len(joined) <= BODY_MAX:
                log.take(decision_id, joined)
                return
        if answer.bundle_digest:
            self._keeper.bundle(answer.bundle_digest, self._kept)
        facts = basis.facts
        identity = facts.identity(request.did, request.agent, request.environment)
        evidence = self._keeper.of(basis, request, answer.decision, identity)
        masks = self._masks_for(request, basis)
        for whole in (self._inputs, False):
            left_out: list[str] = []
            said = asked_document(request, masks, left_out, whole=whole, secret=secret)
            if left_out:
                digest = keyed_digest(self._key(), decision_id, asked)
            body = decision_bytes(
                request,
                answer,
                identity,
                identity_age=basis.identity_age,
                asked=said,
                digest=digest,
                left_out=left_out,
                evidence=evidence,
                hides=hiding(masks, whole=whole),
            )
            if len(body) <= BODY_MAX:
                break
        log.take(decision_id, body)
        if routine is not None and (not answer.bundle_digest or bundle_address(answer.bundle_digest) in log.facts):
            self._routines.keep(
                routine, request, answer, identity=identity, evidence=evidence, failures=log.failures, masks=masks
            )

    def _masks_for(self, request: CheckRequest, basis: Basis) -> Masks:
        """Return the operator's masks, and where a tool says that a secret belongs."""
        tool = None if request.tool is None else basis.facts.tools.get(request.tool)
        if tool is None or not tool.argument_types:
            return self._masks
        secret = (pointer for pointer, known in tool.argument_types.items() if known is ArgumentType.SECRET)
        return self._masks.also([("arguments", *tokens_of(pointer)) for pointer in secret])

    def _chosen(self, decision_id: str) -> bool:
        return int(decision_id[-8:], 16) < self._allow_rate * _TAIL
