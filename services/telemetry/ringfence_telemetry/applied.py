"""What a change of the rows does in memory: each event of the store goes to whoever keeps something of its kind."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ringfence_kit.events import Event


class Applied:
    """Applies events by kind; what nobody keeps in memory is passed over. (`EventHub` says when and in what order.)"""

    def __init__(self, keepers: Mapping[str, Callable[[Event], None]]) -> None:
        self._keepers = MappingProxyType(dict(keepers))

    def __call__(self, event: Event) -> None:
        """Apply one event; whoever keeps its kind does not fail and does not wait."""
        keep = self._keepers.get(event.kind)
        if keep is not None:
            keep(event)
