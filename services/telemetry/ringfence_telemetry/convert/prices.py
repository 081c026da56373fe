"""`ringfence.telemetry.v1.PriceService` messages to values and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence_kit.clock import Instant
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.convert.usage import LABEL_BYTES_MAX
from ringfence_telemetry.prices.currencies import CURRENCIES
from ringfence_telemetry.prices.price import PRICE_MAX, Price

PRICES_MAX = 1_000
SOURCE_BYTES_MAX = 200

_PLACE = "\n"
"""Between the parts of a place in a list; no label holds one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrices:
    """A checked ListPricesRequest; the token is opened by the face."""

    model: str
    page_size: int
    page_token: str


def put_prices(request: pb.PutPricesRequest) -> tuple[Sequence[Price], str]:
    """Return the prices and the request id, or raise InvalidRequest with every violation."""
    found, prices = Violations(), list[Price]()
    for path, sent in found.items(request.prices, "prices", min_items=1, max_items=PRICES_MAX):
        prices.append(_price(found.at(path), sent))
    found.distinct([price.key for price in prices], "prices")
    request_id = found.request_id(request.request_id)
    return found.ok(prices), request_id


def list_prices(request: pb.ListPricesRequest) -> ListPrices:
    """Return the question, or raise InvalidRequest."""
    found = Violations()
    model = found.text(request.model, "model", max_bytes=LABEL_BYTES_MAX, required=False)
    size = found.page_size(request.page_size)
    return found.ok(ListPrices(model=model, page_size=size, page_token=request.page_token))


def price_message(price: Price) -> pb.Price:
    """Return a price as it is sent."""
    return pb.Price(
        model=price.model,
        provider=price.provider,
        effective_time=to_timestamp(price.effective_at),
        currency=price.currency,
        input_nanos_per_million=price.input_nanos,
        cache_read_nanos_per_million=price.cache_read_nanos,
        cache_write_nanos_per_million=price.cache_write_nanos,
        output_nanos_per_million=price.output_nanos,
        source=price.source,
    )


def place_bytes(price: Price) -> bytes:
    """Return where in the list a price is."""
    return _PLACE.join((price.model, price.provider, str(price.effective_at))).encode()


def place(stored: bytes) -> tuple[str, str, Instant]:
    """Return the place that a token of ours holds."""
    model, provider, effective_at = stored.decode().split(_PLACE)
    return model, provider, Instant(int(effective_at))


def _price(found: Violations, sent: pb.Price) -> Price:
    model = found.text(sent.model, "model", max_bytes=LABEL_BYTES_MAX)
    if "*" in model[:-1]:
        found.add("model", "may have one * only, at its end")
    effective_at = None
    if sent.HasField("effective_time"):
        effective_at = found.timestamp(sent.effective_time, "effective_time", not_before=Instant(0))
    else:
        found.add("effective_time", "must be set")
    if sent.currency not in CURRENCIES:
        found.add("currency", "must be a currency of ISO 4217, such as USD")
    read = sent.cache_read_nanos_per_million if sent.HasField("cache_read_nanos_per_million") else None
    write = sent.cache_write_nanos_per_million if sent.HasField("cache_write_nanos_per_million") else None
    return Price(
        model=model,
        provider=found.text(sent.provider, "provider", max_bytes=LABEL_BYTES_MAX, required=False),
        effective_at=effective_at or Instant(0),
        currency=sent.currency,
        input_nanos=_nanos(found, sent.input_nanos_per_million, "input_nanos_per_million"),
        cache_read_nanos=None if read is None else _nanos(found, read, "cache_read_nanos_per_million"),
        cache_write_nanos=None if write is None else _nanos(found, write, "cache_write_nanos_per_million"),
        output_nanos=_nanos(found, sent.output_nanos_per_million, "output_nanos_per_million"),
        source=found.text(sent.source, "source", max_bytes=SOURCE_BYTES_MAX, required=False),
    )


def _nanos(found: Violations, sent: int, field: str) -> int:
    return found.integer(sent, field, minimum=0, maximum=PRICE_MAX)
