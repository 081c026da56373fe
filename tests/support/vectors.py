"""Published test vectors: data of others, each file naming where it was published (`tests/vectors`)."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(name: str) -> Any:
    """Return the vectors in `tests/vectors/{name}.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
