"""How often one address may ask what costs more than a look-up. Nobody here says who they are, so addresses count.

Behind a proxy all callers share the proxy's address: give the limit its size there, or set it to 0 and let the proxy
keep it. What a client says of its own address is not believed.
"""

from ringfence_kit.calls import network_of
from ringfence_kit.clock import Clock
from ringfence_kit.errors import QuotaExceeded
from ringfence_kit.quotas import Buckets, Rate
from starlette.requests import Request

MAX_ADDRESSES = 20_000
BURST_SECONDS = 5
"""How many seconds' worth may come at once."""


class Pacing:
    """The buckets of the addresses."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        """`per_second` 0 limits nobody."""
        self._clock = clock
        rate = Rate(per_second=per_second, burst=per_second * BURST_SECONDS)
        self._buckets = Buckets[str](rate, MAX_ADDRESSES) if per_second else None

    def take(self, request: Request) -> None:
        """Count one request, or raise `QuotaExceeded` with the time to wait."""
        if self._buckets is None or request.client is None:
            return
        kind = "ipv6" if ":" in request.client.host else "ipv4"
        network = network_of(f"{kind}:[{request.client.host}]:0" if kind == "ipv6" else f"ipv4:{request.client.host}:0")
        wait = self._buckets.take(network, self._clock.now())
        if wait:
            raise QuotaExceeded(principal=f"anonymous at {network}", method_class="http", retry_after=wait)
