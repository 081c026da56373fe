"""What one address may do before anybody there is known: call open methods, and present credentials that are no good.

The rules:

- an open call by nobody in particular counts against where it comes from, beside the quota of its class: checking a
  proof costs more than sending one;
- a credential that is refused counts too, be it a bearer token or the proof inside of an open call. An address that
  used up its refusals has the next ones unread until it earned another: guessing and flooding cost us no signature
  check. Certificates are not concerned: they were checked when the connection was made;
- an address is the network behind it, as `network_of` cuts it. Behind a proxy all callers share the proxy's: give the
  limits its size there, or set them to 0 and let the proxy keep them;
- memory is bounded, as that of `quotas`.
"""

from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.calls import Call, network_of
from ringfence_kit.clock import Clock
from ringfence_kit.errors import QuotaExceeded
from ringfence_kit.quotas import Buckets, Rate
from ringfence_kit.server_config import QuotasConfig


class AddressQuotas:
    """The buckets of the addresses that call one service."""

    def __init__(self, config: QuotasConfig, clock: Clock, *, max_addresses: int = 20_000) -> None:
        self._clock = clock
        self._open = _buckets(config.open_per_second, config.open_burst, max_addresses)
        self._refused = _buckets(config.refused_per_second, config.refused_burst, max_addresses)

    @property
    def addresses_held(self) -> int:
        """How many addresses are remembered, counted once for each of the two limits."""
        return sum(len(buckets) for buckets in (self._open, self._refused) if buckets is not None)

    def before_reading(self, call: Call) -> None:
        """Raise QuotaExceeded when a call brings a bearer token from an address that had too many refused."""
        if call.authorization:
            self._require_heard(call)

    def before_answering(self, call: Call) -> None:
        """Count an open call of nobody in particular, or raise QuotaExceeded with the time to wait."""
        if call.caller is not ANONYMOUS:
            return
        self._require_heard(call)
        if self._open is not None and call.method.grant.is_open and not call.method.always:
            network = network_of(call.peer)
            wait = self._open.take(network, self._clock.now())
            if wait:
                raise QuotaExceeded(principal=f"anonymous at {network}", method_class="open", retry_after=wait)

    def refused(self, call: Call) -> None:
        """Count a credential that was refused: the caller's, or the proof in its request. To bring none is no guess."""
        if self._refused is not None and (call.authorization or call.method.grant.is_open):
            self._refused.take(network_of(call.peer), self._clock.now())

    def _require_heard(self, call: Call) -> None:
        # Nearly always nobody was refused lately, and nothing is looked up.
        if self._refused is None or not self._refused.held:
            return
        network = network_of(call.peer)
        wait = self._refused.wait(network, self._clock.now())
        if wait:
            raise QuotaExceeded(
                principal=f"anonymous at {network}", method_class="refused credential", retry_after=wait
            )


def _buckets(per_second: int, burst: int, max_buckets: int) -> Buckets[str] | None:
    """Return the buckets of a rate; None when it is not limited."""
    return Buckets(Rate(per_second=per_second, burst=burst), max_buckets) if per_second else None
