"""The ring gate: how trusted an agent must be for which kind of action.

The table is the product's, and a bundle can only make it stricter: a `RingGate` document adds rows, and the strictest
row that covers an action holds. A tool's side effects, as its contract in the registry has them, are held against the
same table; what the enforcement point says of them can only make the class stricter, because it comes with the request.

| class | needs ring | actions |
| --- | --- | --- |
| READ | 3 | `read_*`, `list_*`, `get_*` |
| WRITE | 2 | everything not named here; tools whose side effects are reversible |
| ELEVATED | 1 | `delegate_*`, `coordinate_*`, `write_production_*`; tools whose side effects are irreversible |
| GOVERN | 0 | `policy_*`, `kill_switch_*`: changing what governs agents |
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ringfence_pdp.filters.finding import Effects
from ringfence_pdp.model import SideEffects
from ringfence_pdp.selector import SelectorTable, covers, overlap


class ActionClass(enum.IntEnum):
    """The classes, by the least trusted ring that may use them."""

    GOVERN = 0
    ELEVATED = 1
    WRITE = 2
    READ = 3


CLASSES: tuple[tuple[str, ActionClass], ...] = (
    ("policy_*", ActionClass.GOVERN),
    ("kill_switch_*", ActionClass.GOVERN),
    ("delegate_*", ActionClass.ELEVATED),
    ("coordinate_*", ActionClass.ELEVATED),
    ("write_production_*", ActionClass.ELEVATED),
    ("read_*", ActionClass.READ),
    ("list_*", ActionClass.READ),
    ("get_*", ActionClass.READ),
)
"""The class of an action by its name; one that none of these covers is a WRITE."""

_BY_SIDE_EFFECTS = {
    SideEffects.UNKNOWN: ActionClass.READ,
    SideEffects.READ: ActionClass.READ,
    SideEffects.REVERSIBLE: ActionClass.WRITE,
    SideEffects.IRREVERSIBLE: ActionClass.ELEVATED,
}
"""The least strict class that a tool with these side effects can have."""


_REGISTERED = {
    Effects.UNKNOWN: SideEffects.UNKNOWN,
    Effects.NONE: SideEffects.READ,
    Effects.READ: SideEffects.READ,
    Effects.REVERSIBLE: SideEffects.REVERSIBLE,
    Effects.IRREVERSIBLE: SideEffects.IRREVERSIBLE,
}


def stricter(said: SideEffects, registered: Effects) -> SideEffects:
    """Return the graver of what a request says of its side effects and what the tool's contract does."""
    return max(said, _REGISTERED[registered])


@dataclass(frozen=True, slots=True)
class RingRequirement:
    """A bundle's own row: actions it covers need this ring or a more trusted one."""

    actions: str
    ring: int


_TABLE = SelectorTable(CLASSES)


@lru_cache(maxsize=4_096)
def class_of(action: str) -> ActionClass:
    """Return the class of an action by its name alone."""
    return min(_TABLE.covering(action), default=ActionClass.WRITE)


def loosest_class(selector: str) -> ActionClass:
    """Return the least strict class of any action the selector covers."""
    overlapping = [(pattern, class_) for pattern, class_ in CLASSES if overlap(pattern, selector)]
    inside = any(covers(pattern, selector.removesuffix("*")) for pattern, _ in overlapping)
    possible = {class_ for _, class_ in overlapping} | (set() if inside else {ActionClass.WRITE})
    return max(possible)


class RingGate:
    """The product's table and a bundle's own rows, the strictest of which holds."""

    def __init__(self, requirements: Iterable[RingRequirement] = ()) -> None:
        strictest: dict[str, int] = {}
        for row in requirements:
            strictest[row.actions] = min(row.ring, strictest.get(row.actions, row.ring))
        self._rows = SelectorTable(strictest.items())

    def required(self, action: str, side_effects: SideEffects) -> int:
        """Return the least trusted ring that may do this."""
        return min(class_of(action), _BY_SIDE_EFFECTS[side_effects], *self._rows.covering(action))
