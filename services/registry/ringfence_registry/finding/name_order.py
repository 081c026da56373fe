"""Agents in the order of their names, and the places they are kept in.

An agent keeps its slot for as long as it is there; a slot that became free is used again. Pages are taken from a set of
slots by name: where few are wanted they are sorted, where many are the names are walked.
"""

import bisect
from collections.abc import Iterator

from ringfence_registry.finding.bits import Bits, flags_of, of_slots, slots_of

_SPARSE = 32
"""Sorting one agent costs as much as walking past so many."""


class NameOrder:
    """Names, sorted, with their slots."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._slots: dict[str, int] = {}
        self._by_slot: list[str] = []
        self._unused: list[int] = []

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def length(self) -> int:
        """How many slots there are, the free ones included."""
        return len(self._by_slot)

    @property
    def free(self) -> Bits:
        """Which of them nobody has."""
        return of_slots(self._unused)

    def load(self, name: str) -> int:
        """Give a name the next slot, in the first filling, which `loaded` ends."""
        slot = self._slots[name] = len(self._by_slot)
        self._by_slot.append(name)
        return slot

    def restore(self, by_slot: list[str]) -> None:
        """Take whose slot each is, empty for a free one, in place of a first filling; `loaded` ends it as well."""
        self._by_slot = by_slot
        self._slots = {name: slot for slot, name in enumerate(by_slot) if name}
        self._unused = [slot for slot, name in enumerate(by_slot) if not name]

    def loaded(self) -> None:
        """End the first filling."""
        self._names = sorted(self._slots)

    def held(self) -> list[str]:
        """Return whose slot each is, empty for a free one."""
        return list(self._by_slot)

    def add(self, name: str) -> int:
        """Give a new name a slot."""
        slot = self._unused.pop() if self._unused else len(self._by_slot)
        if slot == len(self._by_slot):
            self._by_slot.append(name)
        self._by_slot[slot] = name
        self._slots[name] = slot
        bisect.insort(self._names, name)
        return slot

    def remove(self, name: str) -> None:
        """Forget a name; its slot is free."""
        slot = self._slots.pop(name)
        self._by_slot[slot] = ""
        self._unused.append(slot)
        del self._names[bisect.bisect_left(self._names, name)]

    def slot(self, name: str) -> int | None:
        """Return where `name` is kept, or None."""
        return self._slots.get(name)

    def known(self, name: str) -> int:
        """Return where a name that is known to be here is kept."""
        return self._slots[name]

    def name(self, slot: int) -> str:
        """Return whose slot it is; empty for a free one."""
        return self._by_slot[slot]

    def names(self, prefix: str = "") -> list[str]:
        """Return every name that starts with `prefix`, in order."""
        start = bisect.bisect_left(self._names, prefix)
        # No name holds a character above "z", so this ends where the prefix does.
        return self._names[start : bisect.bisect_left(self._names, prefix + "\x7f")]

    def sorted(self, among: Bits, *, after: str = "") -> Iterator[int]:
        """Yield the slots of `among` whose names follow `after`, by name."""
        if among.bit_count() * _SPARSE < len(self._names):
            named = sorted((name, slot) for slot in slots_of(among) if (name := self._by_slot[slot]) > after)
            yield from (slot for _, slot in named)
            return
        flags = flags_of(among, len(self._by_slot))
        for at in range(bisect.bisect_right(self._names, after), len(self._names)):
            slot = self._slots[self._names[at]]
            if flags[slot]:
                yield slot
