"""What one model costs from a date on, and what a call comes to by it (R5). Pure, in whole billionths of a currency."""

from dataclasses import dataclass

from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.spans import Tokens

PRICE_MAX = 10**15
"""The highest price of a million tokens: a million of any currency. A call of the most tokens stays inside 64 bits."""

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in billionths of a currency for a million tokens."""

    model: str
    """As spans name it, or its beginning with `*` at the end."""
    provider: str = ""
    """Empty means whoever provides it."""
    effective_at: Instant
    currency: str
    input_nanos: int = 0
    cache_read_nanos: int | None = None
    """None costs what input does."""
    cache_write_nanos: int | None = None
    """None costs what input does."""
    output_nanos: int = 0
    """Reasoning included."""
    source: str = ""

    @property
    def key(self) -> tuple[str, str, Instant]:
        """What a price is told apart by, and ordered: the model, the provider, the date."""
        return self.model, self.provider, self.effective_at

    @property
    def first_minute(self) -> int:
        """The first minute it holds the whole of."""
        return -(-self.effective_at // MINUTE)

    def is_for(self, model: str) -> bool:
        """Say whether a model may be charged by it."""
        return self.model == model or (self.model.endswith("*") and model.startswith(self.model[:-1]))

    def of(self, tokens: Tokens) -> int:
        """Return what so many tokens cost, rounded to the nearest billionth once."""
        input_, output, cache_read, cache_write, _reasoning = tokens  # reasoning is output
        fresh = max(0, input_ - cache_read - cache_write)
        read = self.input_nanos if self.cache_read_nanos is None else self.cache_read_nanos
        write = self.input_nanos if self.cache_write_nanos is None else self.cache_write_nanos
        total = fresh * self.input_nanos + cache_read * read + cache_write * write + output * self.output_nanos
        return (total + MILLION // 2) // MILLION


def names_of(model: str) -> frozenset[str]:
    """Return under which names a price may stand that is for a model; none when no model is given."""
    beginnings = (f"{model[:length]}*" for length in range(len(model) + 1))
    return frozenset((model, *beginnings)) if model else frozenset()
