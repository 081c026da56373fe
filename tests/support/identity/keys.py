"""Keys and torsion points that identity's tests share."""

from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import Ed25519Signer

P = 2**255 - 19

# The y coordinates of the eight torsion points: order 1, order 2, order 4 (two points), order 8 (twice two points; the
# roots of d*y**4 + 2*y**2 - 1, solved apart from the code under test).
TORSION_Y = (
    1,
    P - 1,
    0,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
)


def encoding(y: int, sign: int) -> bytes:
    """Return 32 bytes with `y` and the sign of x, canonical or not."""
    return (y | sign << 255).to_bytes(32, "little")


def torsion_encodings() -> list[bytes]:
    """Return every 32 bytes that a lax decoder takes for a point of small order, canonical or not."""
    return [
        encoding(spelling, sign) for y in TORSION_Y for spelling in (y, y + P) if spelling < 2**255 for sign in (0, 1)
    ]


def seeded_key(number: int) -> Ed25519Signer:
    """Return the same key for the same number, in every run."""
    return Ed25519Signer(number.to_bytes(32, "big"), EPOCH)
