"""Files to start from: cards, tools, a birth certificate and policies for the agents of namespace `demo`.

`ringfence up` puts them into its data directory, the demo enrols them, and a newcomer copies them.
"""

from importlib.resources import files

NAMES = (
    *("analyst.card.json", "courier.card.json", "analyst.birth.yaml"),
    *("warehouse.query.tool.yaml", "warehouse.update.tool.yaml"),
    "policies/first-policy.yaml",
)
"""Every example file."""


def example(name: str) -> bytes:
    """Return the content of one example file."""
    return files(__name__).joinpath(name).read_bytes()
