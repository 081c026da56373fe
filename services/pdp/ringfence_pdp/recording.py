"""Decisions on record as the configuration says."""

from collections.abc import Callable
from importlib.metadata import version

from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.config import DecisionLogConfig, Inputs
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.evidence import EvidenceKeeper
from ringfence_pdp.masks import Masks
from ringfence_pdp.policy_state import PolicyState


def recording(
    config: DecisionLogConfig, log: DecisionLog, policy: PolicyState[CompiledBundle], key: Callable[[], bytes]
) -> DecisionRecords:
    """Return what puts decisions by `policy` into `log`."""
    return DecisionRecords(
        log,
        EvidenceKeeper(log, release=version("ringfence")),
        kept=policy.find,
        key=key,
        masks=Masks.of(config.masks),
        inputs=config.inputs is Inputs.FULL,
        allow_rate=config.allow_rate,
    )
