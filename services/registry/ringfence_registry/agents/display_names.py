"""Names that people could take for one another, within a namespace."""

from ringfence_registry.cards.look_alikes import skeleton
from ringfence_registry.model import Agent


def look_alike_key(agent: Agent) -> str:
    """Return what `agent` shares with every agent of its namespace whose name looks like its own."""
    # No id of a namespace holds a slash, so no key of one is a key of another.
    return f"{agent.name.namespace}/{skeleton(agent.spec.display_name)}"
