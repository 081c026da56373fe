"""Protobuf messages written by hand: what no library would send, a field at a time."""


def varint(number: int) -> bytes:
    """Return a number as protobuf spells it."""
    spelled = b""
    while number > 0x7F:
        spelled += bytes([number & 0x7F | 0x80])
        number >>= 7
    return spelled + bytes([number])


def part(number: int, content: bytes = b"") -> bytes:
    """Return field `number` with a length: a message, a text or bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def fixed64(number: int, content: bytes) -> bytes:
    """Return field `number` as eight bytes."""
    return varint(number << 3 | 1) + content


def request(*items: bytes, resource: bytes = b"") -> bytes:
    """Return an export request of any signal: one resource, one scope, these items."""
    return part(1, part(1, resource) + part(2, b"".join(part(2, item) for item in items)))


SPAN_IDS = part(1, b"t" * 16) + part(2, b"s" * 8)
"""What makes a span one."""
