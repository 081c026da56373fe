"""Ed25519 verification written from RFC 8032 section 5.1 alone: slow, strict, and of no use to anyone but a test."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
BASE_Y = 4 * pow(5, -1, P) % P


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether 8·S·B = 8·R + 8·k·A, with every encoding canonical (5.1.7)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = decoded(public), decoded(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    base = decoded(BASE_Y.to_bytes(32, "little"))
    assert base is not None
    return times(8 * s, base) == added(times(8, r), times(8 * k, a))


def decoded(encoded: bytes) -> Point | None:
    """Return the point, or None when there is none or it is spelled otherwise (5.1.3)."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = next((root for root in _roots(square) if root & 1 == sign), None)
    return None if x is None else (x, y)


def _roots(square: int) -> tuple[int, ...]:
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    if root * root % P != square:
        return ()
    return (root, P - root) if root else (0,)


def added(one: Point, two: Point) -> Point:
    """Return the sum, by the affine law of a twisted Edwards curve with a = -1 (RFC 8032 5.1.4)."""
    (x1, y1), (x2, y2) = one, two
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def times(scalar: int, point: Point) -> Point:
    """Return `scalar` times `point`, bit by bit."""
    total: Point = (0, 1)
    while scalar:
        if scalar & 1:
            total = added(total, point)
        point = added(point, point)
        scalar >>= 1
    return total
