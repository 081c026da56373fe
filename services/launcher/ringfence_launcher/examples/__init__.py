"""Files to start from: a card, a birth certificate and policies for an agent `demo/analyst`.

`ringfence up` puts them into its data directory, the demo enrols them, and a newcomer copies them.
"""

from importlib.resources import files

NAMES = ("analyst.card.json", "analyst.birth.yaml", "first-policy.yaml")
"""Every example file."""


def example(name: str) -> bytes:
    """Return the content of one example file."""
    return files(__name__).joinpath(name).read_bytes()
