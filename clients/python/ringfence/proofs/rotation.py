"""The message that replaces an agent's key: what both keys sign, rebuilt by whoever verifies (identity, README).

- it names everything the change is about: DID, environment, the version that is replaced, both keys, a nonce. A
  signature over it is good for this one change and for nothing else;
- texts end with a zero byte, which none of them can hold, and keys have a fixed length: no two changes share a message;
- nobody is ever asked to sign bytes that came from elsewhere: each side builds them from what it knows itself.
"""

ROTATION_PREFIX = b"ringfence.dev/identity/v1/rotation\0"
"""What the message starts with, so that a signature over it is a proof of nothing else."""

KEY_BYTES = 32
SHORTEST_NONCE = 16
LONGEST_NONCE = 64


def rotation_input(
    *, did: str, environment: str, version_id: str, old_key: bytes, new_key: bytes, nonce: bytes
) -> bytes:
    """Return the exact bytes to sign; ValueError for parts that no such message can have."""
    texts = (did, environment, version_id)
    if not all(texts) or any("\0" in text for text in texts):
        raise ValueError("did, environment and version_id are texts, not empty and without a zero byte")
    if (len(old_key), len(new_key)) != (KEY_BYTES, KEY_BYTES):
        raise ValueError(f"public keys are {KEY_BYTES} bytes long")
    if not SHORTEST_NONCE <= len(nonce) <= LONGEST_NONCE:
        raise ValueError(f"the nonce is {SHORTEST_NONCE} to {LONGEST_NONCE} bytes long")
    named = b"".join(text.encode() + b"\0" for text in texts)
    return ROTATION_PREFIX + named + old_key + new_key + nonce
