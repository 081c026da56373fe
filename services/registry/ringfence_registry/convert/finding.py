"""Requests of the methods that find agents, from messages to the model; all that is wrong with one at once."""

from ringfence_kit.validation import Violations

from ringfence_registry.finding.orders import BY_NAME, KEYS, NAME, Order

MAX_ORDER_BYTES = 100


def agent_order(found: Violations, order_by: str) -> Order:
    """Return the order that `order_by` says (AIP-132): one field, perhaps `desc`; ties go by name anyway."""
    text = found.text(order_by, "order_by", max_bytes=MAX_ORDER_BYTES, required=False)
    parts = [part.split() for part in text.split(",")] if text else []
    if len(parts) > 1 and parts[-1] in ([NAME], [NAME, "asc"]):
        parts.pop()
    if not parts:
        return BY_NAME
    (field, *direction), *others = parts[0] or [""], *parts[1:]
    if others or field not in {NAME, *KEYS} or direction not in ([], ["asc"], ["desc"]):
        known = ", ".join([NAME, *KEYS])
        found.add("order_by", f"must be one of {known}, perhaps with desc; ties go by name")
        return BY_NAME
    return Order(field, descending=direction == ["desc"])
