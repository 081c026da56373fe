"""What is noticed about usage while it is counted: models without a price, and usage that is nobody's.

Drawn in the transaction of the totals, from sums: the work is per batch of spans. Only what trusted reporters say is
noticed; what is noticed again within ten seconds is not looked up again.
"""

from collections import Counter
from collections.abc import Iterator

from ringfence_kit.clock import DAY, SECOND, Instant, Millis

from ringfence_telemetry.alerts.book import fire, resolve
from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.prices.putting import MODEL
from ringfence_telemetry.roll_up import Rolled
from ringfence_telemetry.store.alerts import AlertTx
from ringfence_telemetry.usage import UNATTRIBUTED, UsageChange

OVER_AFTER = DAY
"""An alert about which nothing was noticed for so long is over."""

_AGAIN_AFTER = Millis(10 * SECOND)
_MODELS_MAX = 100
"""Models about which one batch may alert: a sender may bring many names."""

_NOTICED_MAX = 10_000

_KINDS = (AlertKind.PRICE_UNKNOWN, AlertKind.UNATTRIBUTED)


class UsageAlerts:
    """Notices."""

    def __init__(self) -> None:
        self._noticed: dict[str, Instant] = {}
        """Key → when it was last told."""

    def draw(self, tx: AlertTx, rolled: Rolled, at: Instant) -> None:
        """Alert about what a batch of spans shows; see `ingest.Consequence`."""
        for draft in _drafts(rolled.change):
            told = self._noticed.get(draft.key)
            if told is None or at - told >= _AGAIN_AFTER:
                if len(self._noticed) >= _NOTICED_MAX:
                    self._noticed.clear()
                fire(tx, draft, at=at)
                self._noticed[draft.key] = at


def resolve_old(tx: AlertTx, at: Instant) -> None:
    """End the alerts about usage that nothing has confirmed for a day."""
    for alert in tx.firing_alerts():
        if alert.kind in _KINDS and at - alert.seen_at >= OVER_AFTER:
            resolve(tx, alert.key, at=at)


def _drafts(change: UsageChange) -> Iterator[AlertDraft]:
    unknown, nobodys = Counter[str](), 0
    for key, counts in change.sums().items():
        if key.untrusted:
            continue
        if counts.unknown_cost_calls > 0:
            unknown[key.model] += counts.unknown_cost_calls
        if key.agent == UNATTRIBUTED:
            nobodys += counts.input_tokens + counts.output_tokens
    for model, calls in unknown.most_common(_MODELS_MAX):
        yield AlertDraft(
            key=f"price-unknown/{model}",
            kind=AlertKind.PRICE_UNKNOWN,
            message=_unknown(model),
            evidence={MODEL: model, "calls": str(calls)},
        )
    if nobodys > 0:
        yield AlertDraft(
            key="unattributed",
            kind=AlertKind.UNATTRIBUTED,
            message=(
                "Tokens are used and no span of their trace names an agent that its reporter may speak for: nobody is "
                "charged. Instrument the agents, or give their gateway a credential that is bound to them."
            ),
            evidence={"tokens": str(nobodys)},
        )


def _unknown(model: str) -> str:
    whose = f"of {model}" if model else "of calls that name no model"
    return (
        f"The price {whose} is not known, so neither is what it costs. Put it with `ringfence usage prices put FILE`; "
        "what was counted before stays unknown."
    )
