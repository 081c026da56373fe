"""Which attributes of the request a condition looks at."""

from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.syntax import Has, Name, Node, Select
from ringfence_pdp.cel.types import Record


def reads(checked: Checked) -> frozenset[str]:
    """Return the attributes a condition may read, as `root.field`: `resource.type`, `now`, `args`."""
    return frozenset(_path(node) for node in checked.fields if not isinstance(checked.types.get(node), Record))


def _path(node: Node) -> str:
    match node:
        case Select() | Has():
            return f"{_path(node.operand)}.{node.field}"
        case Name():
            return node.name
        case _:
            return ""
