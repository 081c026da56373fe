"""A second opinion on exported logs, written from RFC 6962 2.1, RFC 9162 2.1 and C2SP's notes alone.

It shares no line with the package: it hashes by itself, recurses where the package walks, and reads the file by itself.
Slow, and meant to be: what it says is obvious.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return hashlib.sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    n = len(entries)
    if n == 1:
        return []
    k = largest_power_below(n)
    if m < k:
        return [*path(m, entries[:k]), tree_hash(entries[k:])]
    return [*path(m - k, entries[k:]), tree_hash(entries[:k])]


def proof(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), for 0 < m <= n."""
    return subproof(m, entries, whole=True)


def subproof(m: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    n = len(entries)
    if m == n:
        return [] if whole else [tree_hash(entries)]
    k = largest_power_below(n)
    if m <= k:
        return [*subproof(m, entries[:k], whole=whole), tree_hash(entries[k:])]
    return [*subproof(m - k, entries[k:], whole=False), tree_hash(entries[:k])]


def root_from_path(leaf: bytes, m: int, n: int, hashes: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to, by taking PATH apart again; None when it has another length."""
    if n == 1:
        return leaf if not hashes else None
    if not hashes:
        return None
    *inner, sibling = hashes
    k = largest_power_below(n)
    if m < k:
        left = root_from_path(leaf, m, k, inner)
        return None if left is None else hashlib.sha256(b"\x01" + left + sibling).digest()
    right = root_from_path(leaf, m - k, n - k, inner)
    return None if right is None else hashlib.sha256(b"\x01" + sibling + right).digest()


def roots_from_proof(m: int, n: int, old: bytes, hashes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the old and the new root a consistency proof leads to, by taking SUBPROOF apart again."""
    return _roots(m, n, old, list(hashes), whole=True)


def _roots(m: int, n: int, old: bytes, hashes: list[bytes], *, whole: bool) -> tuple[bytes, bytes] | None:
    if m == n:
        if whole:
            return (old, old) if not hashes else None
        return (hashes[0], hashes[0]) if len(hashes) == 1 else None
    if not hashes:
        return None
    *inner, sibling = hashes
    k = largest_power_below(n)
    if m <= k:
        left = _roots(m, k, old, inner, whole=whole)
        return None if left is None else (left[0], hashlib.sha256(b"\x01" + left[1] + sibling).digest())
    right = _roots(m - k, n - k, old, inner, whole=False)
    if right is None:
        return None
    return tuple(hashlib.sha256(b"\x01" + sibling + each).digest() for each in right)  # type: ignore[return-value] # two


def largest_power_below(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def export_holds(lines: Iterable[str], *, origin: str, public_key: bytes) -> bool:
    """Say whether an export is whole, in order, and the log its every head says it is, all signed by one key."""
    entries: list[bytes] = []
    heads: list[tuple[int, bytes]] = []
    documents = [json.loads(line) for line in lines]
    if not documents or documents[0].get("origin") != origin:
        return False
    for document in documents[1:]:
        if "checkpoint" in document:
            head = _signed_head(document["checkpoint"], origin, public_key)
            if head is None:
                return False
            heads.append(head)
            continue
        body = base64.b64decode(document["body"])
        if document["index"] != len(entries) or document["leaf_hash"] != hashlib.sha256(b"\x00" + body).hexdigest():
            return False
        entries.append(body)
    sizes = [size for size, _ in heads]
    return bool(heads) and max(sizes) == len(entries) and all(root == tree_hash(entries[:size]) for size, root in heads)


def _signed_head(note: str, origin: str, public_key: bytes) -> tuple[int, bytes] | None:
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    said_origin, size, root = text.splitlines()[:3]
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public_key).digest()[:4]
    for line in signatures.splitlines():
        _, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded)
        if name != origin or raw[:4] != key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(raw[4:], text.encode())
        except InvalidSignature:
            return None
        return (int(size), base64.b64decode(root)) if said_origin == origin else None
    return None
