"""What events and rows hold of agents: decoded once for all who are told of one, and told from every other."""

import hashlib
from functools import lru_cache

from ringfence_kit import records

from ringfence_registry.model import Agent

DIGEST_SIZE = 16


@lru_cache(maxsize=1)
def agent_recorded(record: bytes) -> Agent:
    """Return the agent of a record. Agents do not change, so those who are told of one may share it."""
    return records.decode(record, Agent)


def digest_of(record: bytes) -> bytes:
    """Return what tells a record from every other: what was derived from one with the same digest still holds."""
    # Whoever may register agents chooses what is in records, so nothing less than a cryptographic digest does.
    return hashlib.sha256(record).digest()[:DIGEST_SIZE]
