"""Logs of decisions, as the pdp would have written them."""

import json
from collections.abc import Sequence

from ringfence_kit.clock import EPOCH
from ringfence_kit.ids import counting_ids
from ringfence_pdp.answer import Answer
from ringfence_pdp.bundle import Bundle, PolicyFile, digest_of
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_record import BODY_MAX, DecisionRecords
from ringfence_pdp.evidence import EvidenceKeeper
from ringfence_pdp.masks import NO_MASKS, Masks
from ringfence_pdp.model import CheckRequest

from support.pdp.world import NOW, basis


class Shelf:
    """A spool that hands over what it was given."""

    undelivered = used_bytes = 0

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def post(self, item_id: str, payload: bytes) -> None:
        assert json.loads(payload)["decision_id"] == item_id
        assert len(payload) <= BODY_MAX
        self.bodies.append(payload)


def logged_in(
    files: Sequence[PolicyFile], requests: Sequence[CheckRequest], *, on: Basis | None = None, masks: Masks = NO_MASKS
) -> list[bytes]:
    """Decide `requests` as the pdp does, and return the entries of the log, in order."""
    stored = Bundle(
        digest=digest_of(files),
        files=tuple(files),
        policy_count=1,
        rule_count=1,
        author="a",
        pushed_at=EPOCH,
        revision=1,
    )
    on = basis(compile_files(files)) if on is None else on
    log, shelf, new_id = DecisionLog(stops_when_full=True), Shelf(), counting_ids()
    log.attach(shelf)
    records = DecisionRecords(
        log, EvidenceKeeper(log, release="1"), kept=lambda _: stored, key=lambda: bytes(32), masks=masks
    )
    for request in requests:
        decision = decide(on, request)
        answer = Answer(
            decision=decision,
            decision_id=new_id(),
            bundle_digest=stored.digest,
            identity_revision=7,
            registry_revision=5,
            policy_revision=2,
            decided_at=NOW,
            judged=decision,
        )
        records.take(request, answer, on, b"asked")
    return shelf.bodies
