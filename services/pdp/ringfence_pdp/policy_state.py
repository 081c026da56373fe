"""What is in force at this moment: the compiled bundle and the engaged kill switches, in memory.

Changed by nothing but events, so every replica and every restart comes to the same state. A decision takes `current`
once and keeps it: a push or a switch thrown meanwhile is seen by the next decision, never by half of one.

A stored bundle this release cannot compile (it was pushed through a newer one) leaves the last good bundle in force;
`problem` says so until a bundle compiles again.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ringfence_kit import records
from ringfence_kit.events import EMPTY, Change, Event, Revision

from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.kill_switch import KILL_SWITCH, KillSwitch, KillSwitches
from ringfence_pdp.store import StoredPolicy

CompiledT = TypeVar("CompiledT")

_KEPT_COMPILED = 4
"""Compiled bundles kept by digest: the one in force, and those just compiled by a push that is being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce(Generic[CompiledT]):
    """One moment's policy: immutable."""

    bundle: Bundle | None
    compiled: CompiledT | None
    kill_switches: KillSwitches
    revision: Revision


class PolicyState(Generic[CompiledT]):
    """The snapshot of the pdp's own data. `compile_files` raises `BundleInvalid`."""

    def __init__(self, compile_files: Callable[[Sequence[PolicyFile]], CompiledT]) -> None:
        self._compile_files = compile_files
        self._compiled: dict[tuple[PolicyFile, ...], CompiledT] = {}
        self._remembering = threading.Lock()
        self.current: InForce[CompiledT] = InForce(
            bundle=None, compiled=None, kill_switches=KillSwitches(), revision=EMPTY
        )
        self.problem: str = ""
        """Why the newest stored bundle does not decide; empty when it does."""

    def compiled(self, files: Sequence[PolicyFile]) -> CompiledT:
        """Return `files` compiled, from memory when they were compiled a moment ago. Raises `BundleInvalid`.

        May be called from any thread; it is what a push does off the event loop.
        """
        key = tuple(files)
        with self._remembering:
            found = self._compiled.get(key)
        compiled = self._compile_files(files) if found is None else found
        with self._remembering:
            self._compiled.pop(key, None)
            self._compiled[key] = compiled
            while len(self._compiled) > _KEPT_COMPILED:
                del self._compiled[next(iter(self._compiled))]
        return compiled

    def fill(self, stored: StoredPolicy, revision: Revision) -> None:
        """Hold what the store was loaded with at the start."""
        switches = KillSwitches({switch.name: switch for switch in stored.kill_switches})
        self.current = replace(self.current, kill_switches=switches, revision=revision)
        if stored.bundle is not None:
            self._put_in_force(stored.bundle)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        self.current = replace(self.current, revision=event.revision)
        if event.kind == BUNDLE:
            self._put_in_force(records.decode(event.record, Bundle))
        elif event.kind == KILL_SWITCH:
            switch = records.decode(event.record, KillSwitch)
            switches = self.current.kill_switches
            released = event.change is Change.DELETED
            after = switches.without(switch.name) if released else switches.with_engaged(switch)
            self.current = replace(self.current, kill_switches=after)

    def _put_in_force(self, bundle: Bundle) -> None:
        try:
            compiled = self.compiled(bundle.files)
        except BundleInvalid as error:
            self.problem = f"{bundle.name} does not compile here, the last good bundle decides: {error.message}"
            return
        self.problem = ""
        self.current = replace(self.current, bundle=bundle, compiled=compiled)
