"""What telemetry asks the mesh to do about the agent that is called, as an obligation of whoever lets the call through.

The rules:

- it is asked only of enforcement points that say they fulfil `degrade`: nobody is denied for not knowing it;
- a policy that obliges to `degrade` itself has the word: its author may know better;
- it never denies, whatever the order: to fail fast is a policy's decision (`target.health.order == "fail_fast"`).
"""

from ringfence_pdp.case import Case
from ringfence_pdp.health_facts import ORDERS
from ringfence_pdp.model import Obligation
from ringfence_pdp.obligations import NO_OBLIGATIONS, Obligations, obliging

DEGRADE = "degrade"
OF_THE_TARGET = "target"


def degraded(case: Case, asked: Obligations) -> Obligations:
    """Return what is asked besides because of how the agent that is called does."""
    target = None if case.call is None else case.call.target
    if target is None or target.health.rank <= ORDERS.index("normal"):
        return NO_OBLIGATIONS
    if DEGRADE not in case.request.supported_obligations or any(type_ == DEGRADE for type_, _ in asked.asked):
        return NO_OBLIGATIONS
    return obliging([Obligation(DEGRADE, OF_THE_TARGET, {"agent": target.name, "order": target.health.order})])
