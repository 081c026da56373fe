"""The agent an event is about: decoded once, for all who follow the events and are told of it one after the other."""

from functools import lru_cache

from ringfence_kit import records

from ringfence_registry.model import Agent


@lru_cache(maxsize=1)
def agent_recorded(record: bytes) -> Agent:
    """Return the agent of a record. Agents do not change, so those who are told of one may share it."""
    return records.decode(record, Agent)
