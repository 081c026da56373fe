"""The message of a rotation, byte by byte: what every client has to build."""

import pytest
from ringfence.proofs.rotation import ROTATION_PREFIX, rotation_input

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def test_it_is_these_bytes() -> None:
    message = rotation_input(
        did="did:webvh:QmS:prod.id.example.com:agents:QmS",
        environment="prod",
        version_id="1-QmV",
        old_key=OLD,
        new_key=NEW,
        nonce=b"0123456789abcdef",
    )
    assert message == (
        b"ringfence.dev/identity/v1/rotation\x00"
        b"did:webvh:QmS:prod.id.example.com:agents:QmS\x00"
        b"prod\x00"
        b"1-QmV\x00" + OLD + NEW + b"0123456789abcdef"
    )
    assert len(ROTATION_PREFIX) == 35


@pytest.mark.parametrize("length", [16, 64])
def test_a_nonce_may_be_so_long(length: int) -> None:
    message = rotation_input(did="d", environment="e", version_id="v", old_key=OLD, new_key=NEW, nonce=b"n" * length)
    assert message.endswith(NEW + b"n" * length)
