"""Names that people could take for one another, within a namespace."""

import hashlib

from ringfence_registry.cards.look_alikes import skeleton
from ringfence_registry.model import Agent

LONGEST_KEY = 512
"""In bytes. One character may look like a sentence, and what an index holds has a limit."""


def look_alike_key(agent: Agent) -> str:
    """Return what `agent` shares with every agent of its namespace whose name looks like its own."""
    looks = skeleton(agent.spec.display_name)
    encoded = looks.encode()
    if len(encoded) > LONGEST_KEY:
        looks = hashlib.sha256(encoded).hexdigest()
    # No id of a namespace holds a slash, so no key of one is a key of another.
    return f"{agent.name.namespace}/{looks}"
