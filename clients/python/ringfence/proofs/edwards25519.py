"""Just enough of the curve edwards25519 (RFC 8032 section 5.1) to refuse public keys that are not safe to trust.

Library verifiers accept a point of small order as a public key, and under such a key one fixed signature verifies every
message. So before a key is trusted its point is decoded here, strictly, and multiplied by the cofactor. Nothing secret
passes through this module, so it need not run in constant time.
"""

P = 2**255 - 19
_D = -121665 * pow(121666, P - 2, P) % P
_SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)

_SMALL_ORDER_Y = frozenset(
    {
        1,  # order 1
        P - 1,  # order 2
        0,  # order 4
        # order 8: the roots of d*y**4 + 2*y**2 - 1
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)
"""The y coordinates of the torsion subgroup, each the only one with its negative."""


class PointError(ValueError):
    """Bytes that are not the canonical encoding of a point on the curve."""


def decode_point(encoded: bytes) -> tuple[int, int]:
    """Return the affine coordinates of the point `encoded` stands for (RFC 8032 section 5.1.3)."""
    y = _y_coordinate(encoded)
    sign = encoded[31] >> 7
    x = _root_of_ratio((y * y - 1) % P, (_D * y * y + 1) % P)
    if x == 0 and sign:
        raise PointError("its x coordinate is a negative zero")
    return (P - x if x & 1 != sign else x), y


def spells_no_bad_point(encoded: bytes) -> bool:
    """Say whether `encoded`, should there be such a point at all, is its one encoding, and not of small order.

    That there is one takes a root to find out, as long as verifying a signature; this takes a microsecond.
    """
    try:
        # A negative zero is an x of 0, whose y are 1 and -1.
        return _y_coordinate(encoded) not in _SMALL_ORDER_Y
    except PointError:
        return False


def _y_coordinate(encoded: bytes) -> int:
    if len(encoded) != 32:
        raise PointError(f"{len(encoded)} bytes long, not 32")
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= P:
        raise PointError("its y coordinate is not reduced modulo p")
    return y


def _root_of_ratio(u: int, v: int) -> int:
    """Return a square root of u/v by one power instead of two, without the inverse of v (section 5.1.3, step 2)."""
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    square = v * root * root % P
    if square == u:
        return root
    if square == P - u:
        return root * _SQRT_MINUS_ONE % P
    raise PointError("no point of the curve has its y coordinate")


def _double(point: tuple[int, int, int]) -> tuple[int, int, int]:
    """Double a point in projective coordinates (the `dbl-2008-bbjlp` formulas of the explicit-formulas database)."""
    x, y, z = point
    b = (x + y) * (x + y) % P
    c, d = x * x % P, y * y % P
    f = (d - c) % P
    j = (f - 2 * z * z) % P
    return (b - c - d) * j % P, f * (-c - d) % P, f * j % P


def has_small_order(encoded: bytes) -> bool:
    """Say whether eight times the point is the identity: it lies in the torsion subgroup."""
    x, y = decode_point(encoded)
    point = (x, y, 1)
    for _ in range(3):
        point = _double(point)
    return point[0] == 0 and point[1] == point[2]
