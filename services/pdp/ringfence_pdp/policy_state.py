"""What is in force at this moment: the compiled bundle, the one that is tried, the engaged kill switches, in memory.

Changed by nothing but events, so every replica and every restart comes to the same state. A decision takes `current`
once and keeps it: a push or a switch thrown meanwhile is seen by the next decision, never by half of one.

A stored bundle this release cannot compile (it was pushed through a newer one) leaves the last good bundle in force,
and is not tried; `problem` says so until the rollout changes. What was compiled lately stays compiled, so that going
back to it takes no time, and its files are not read out of their event again: a digest names them.

What another replica lets decide and nobody compiled here yet is compiled in a thread while `compiling` runs: until then
the last good bundle decides, and nobody waits. The epoch grows again when it takes over.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, NoReturn, TypeVar

from ringfence_kit import records
from ringfence_kit.events import EMPTY, Change, Event, Revision

from ringfence_pdp.bundle import BUNDLE, Bundle, BundleFacts, PolicyFile, digest_of, name_of
from ringfence_pdp.errors import BundleInvalid, BundleNotFound
from ringfence_pdp.kill_switch import KILL_SWITCH, KillSwitch, KillSwitches
from ringfence_pdp.rollout.rollout import NOTHING_YET, ROLLOUT, Rollout
from ringfence_pdp.store import StoredPolicy

CompiledT = TypeVar("CompiledT")

_KEPT_COMPILED = 4
"""Compiled bundles kept: the three the rollout may speak of, and the one a push just compiled that is being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce(Generic[CompiledT]):
    """One moment's policy: immutable."""

    bundle: Bundle | None
    compiled: CompiledT | None
    kill_switches: KillSwitches
    revision: Revision
    epoch: Revision = EMPTY
    """The newest revision that may deny what was allowed before it: of the rollout, or of a switch."""
    rollout: Rollout = NOTHING_YET
    candidate: CompiledT | None = None
    """What is tried, compiled; None when nothing is."""


class _Compiled(NamedTuple, Generic[CompiledT]):
    """Files, and what came of them."""

    files: tuple[PolicyFile, ...]
    outcome: CompiledT | BundleInvalid


def _let_go(forgotten: list[CompiledT]) -> None:
    """Free what is forgotten, at once."""
    forgotten.clear()


class PolicyState(Generic[CompiledT]):
    """The snapshot of the pdp's own data."""

    def __init__(
        self,
        compile_files: Callable[[Sequence[PolicyFile]], CompiledT],
        *,
        let_go: Callable[[list[CompiledT]], None] = _let_go,
    ) -> None:
        """`compile_files` raises `BundleInvalid`; `let_go` frees what a list holds, in the thread that compiles."""
        self._compile_files = compile_files
        self._let_go = let_go
        self._compiled: dict[str, _Compiled[CompiledT]] = {}
        """By digest."""
        self._remembering = threading.Lock()
        self._kept: dict[str, Bundle] = {}
        self._lacking: asyncio.Event | None = None
        """Set when something has to be compiled; None while nobody would."""
        self._late = 0
        """How often a bundle took over after the event that let it decide: the epoch is ahead by so many."""
        self.current: InForce[CompiledT] = InForce(
            bundle=None, compiled=None, kill_switches=KillSwitches(), revision=EMPTY
        )
        self.problem: str = ""
        """Why the newest stored bundle does not decide; empty when it does."""

    @property
    def rollout(self) -> Rollout:
        """What decides, and what is tried."""
        return self.current.rollout

    @property
    def is_late(self) -> bool:
        """Whether something that should decide, or be tried, is still being compiled."""
        return self._lacking is not None and bool(self._uncompiled(self.rollout))

    @property
    def bundles(self) -> Sequence[Bundle]:
        """The bundles that are kept, the newest first."""
        return sorted(self._kept.values(), key=lambda bundle: bundle.revision, reverse=True)

    def kept(self, digest: str) -> Bundle:
        """Return the kept bundle with this digest. Raises BundleNotFound."""
        bundle = self._kept.get(digest)
        if bundle is None:
            raise BundleNotFound(name=name_of(digest))
        return bundle

    def find(self, digest: str) -> Bundle | None:
        """Return the kept bundle with this digest, or None."""
        return self._kept.get(digest)

    def active(self) -> Bundle:
        """Return the bundle that decides. Raises BundleNotFound before there is one."""
        if self.current.bundle is None:
            raise BundleNotFound
        return self.current.bundle

    def compiled(self, files: Sequence[PolicyFile]) -> CompiledT:
        """Return `files` compiled, from memory when they were compiled a moment ago. Raises `BundleInvalid`.

        May be called from any thread; it is what a push does off the event loop.
        """
        return self._compiled_as(digest_of(files), files)

    def compiled_bundle(self, bundle: Bundle) -> CompiledT:
        """Return a bundle compiled, as `compiled` does; what its digest names is not looked at again."""
        return self._compiled_as(bundle.digest, bundle.files)

    def _compiled_as(self, digest: str, files: Sequence[PolicyFile]) -> CompiledT:
        with self._remembering:
            found = self._compiled.get(digest)
        if found is None:
            found = _Compiled(tuple(files), self._outcome(files))
        self._remember(digest, found)
        if isinstance(found.outcome, BundleInvalid):
            raise found.outcome.with_traceback(None)
        return found.outcome

    def _remember(self, digest: str, compiled: _Compiled[CompiledT]) -> None:
        forgotten: list[CompiledT] = []
        with self._remembering:
            self._compiled.pop(digest, None)
            self._compiled[digest] = compiled
            while len(self._compiled) > _KEPT_COMPILED:
                outcome = self._compiled.pop(next(iter(self._compiled))).outcome
                if not isinstance(outcome, BundleInvalid):
                    forgotten.append(outcome)
                del outcome
        self._let_go(forgotten)

    def _outcome(self, files: Sequence[PolicyFile]) -> CompiledT | BundleInvalid:
        try:
            return self._compile_files(files)
        except BundleInvalid as invalid:  # as much an outcome as any: it is not worked out again either
            return invalid

    async def compiling(self, changed: Callable[[], None]) -> NoReturn:
        """Compile, in a thread, what events let decide or try that was not compiled here; `changed` hears of it."""
        self._lacking = lacking = asyncio.Event()
        try:
            while True:
                await lacking.wait()
                lacking.clear()
                while uncompiled := self._uncompiled(self.rollout):
                    with suppress(BundleInvalid):  # `problem` will say so
                        await asyncio.to_thread(self.compiled_bundle, uncompiled[0])
                self._late += 1
                self.current = replace(self.current, epoch=Revision(self.current.epoch + 1))
                self._follow(self.rollout)
                changed()
        finally:
            self._lacking = None

    def _uncompiled(self, rollout: Rollout) -> list[Bundle]:
        spoken_of = (self._kept.get(digest) for digest in (rollout.active, rollout.candidate) if digest)
        with self._remembering:
            return [bundle for bundle in spoken_of if bundle is not None and bundle.digest not in self._compiled]

    async def warming(self) -> None:
        """Compile what decided before, in a thread, so that going back to it takes no time after a restart either."""
        previous = self._kept.get(self.rollout.previous)
        if previous is not None:
            with suppress(BundleInvalid):  # whoever goes back to it is told
                await asyncio.to_thread(self.compiled_bundle, previous)

    def fill(self, stored: StoredPolicy, revision: Revision) -> None:
        """Hold what the store was loaded with at the start."""
        switches = KillSwitches({switch.name: switch for switch in stored.kill_switches})
        self._kept = {bundle.digest: bundle for bundle in stored.bundles}
        self.current = replace(self.current, kill_switches=switches, revision=revision, epoch=revision)
        self._follow(stored.rollout)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        self.current = replace(self.current, revision=event.revision)
        if event.kind == BUNDLE:
            self._keep(event.change, self._recorded(event.record))
        elif event.kind == ROLLOUT:
            self.current = replace(self.current, epoch=self._epoch_of(event))
            self._follow(records.decode(event.record, Rollout))
        elif event.kind == KILL_SWITCH:
            switch = records.decode(event.record, KillSwitch)
            switches = self.current.kill_switches
            released = event.change is Change.DELETED
            after = switches.without(switch.name) if released else switches.with_engaged(switch)
            self.current = replace(self.current, kill_switches=after, epoch=self._epoch_of(event))

    def _recorded(self, record: bytes) -> Bundle:
        """Return a bundle as it is recorded; its files are decoded only where they are not known by its digest."""
        facts = records.decode(record, BundleFacts)
        with self._remembering:
            known = self._compiled.get(facts.digest)
        return records.decode(record, Bundle) if known is None else facts.over(known.files)

    def _epoch_of(self, event: Event) -> Revision:
        return Revision(event.revision + self._late)

    def _keep(self, change: Change, bundle: Bundle) -> None:
        if change is Change.DELETED:
            self._kept.pop(bundle.digest, None)
            return
        self._kept[bundle.digest] = bundle
        active = self.current.bundle
        if active is not None and active.digest == bundle.digest:
            self.current = replace(self.current, bundle=bundle)

    def _follow(self, rollout: Rollout) -> None:
        """Let decide what `rollout` says, as far as it compiles here, and is compiled or nobody else would do it."""
        lacking = [] if self._lacking is None else self._uncompiled(rollout)
        if self._lacking is not None and lacking:
            self.current = replace(self.current, rollout=rollout, candidate=None)
            self.problem = f"{lacking[0].name} is being compiled; until then what decided before does"
            self._lacking.set()
            return
        problems: list[str] = []
        active = self._ready(rollout.active, "the last good bundle decides", problems)
        tried = self._ready(rollout.candidate, "it is not tried", problems)
        self.current = replace(self.current, rollout=rollout, candidate=None if tried is None else tried[1])
        if active is not None:
            self.current = replace(self.current, bundle=active[0], compiled=active[1])
        self.problem = "; ".join(problems)

    def _ready(self, digest: str, otherwise: str, problems: list[str]) -> tuple[Bundle, CompiledT] | None:
        if not digest:
            return None
        try:
            bundle = self.kept(digest)
            return bundle, self.compiled_bundle(bundle)
        except (BundleInvalid, BundleNotFound) as error:
            problems.append(f"{name_of(digest)} does not compile here, {otherwise}: {error.message}")
            return None
