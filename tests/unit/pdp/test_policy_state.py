"""What is in force follows the events, and keeps the last good bundle."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import EPOCH
from ringfence_kit.errors import Violation
from ringfence_kit.events import Change, Event, Revision
from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of
from ringfence_pdp.errors import BundleInvalid, BundleNotFound
from ringfence_pdp.kill_switch import KILL_SWITCH, KillSwitch, KillSwitches, KillTarget, TargetKind
from ringfence_pdp.kill_switches import page_of
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.rollout import ROLLOUT, Mode, Rollout
from ringfence_pdp.store import StoredPolicy


class Compiler:
    """Joins the files' contents; refuses those that say so; counts."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, files: Sequence[PolicyFile]) -> str:
        self.runs += 1
        if any(file.content == b"bad" for file in files):
            raise BundleInvalid([Violation("a.yaml:1", "says so")])
        return b"+".join(file.content for file in files).decode()


def bundle(content: bytes, revision: int = 1) -> Bundle:
    files = (PolicyFile(path="a.yaml", content=content),)
    return Bundle(
        digest=digest_of(files),
        files=files,
        policy_count=1,
        rule_count=1,
        author="dev:operator",
        pushed_at=EPOCH,
        revision=revision,
    )


def switch(name: str, target: KillTarget) -> KillSwitch:
    return KillSwitch(name=name, target=target, reason="it misbehaves", actor="dev:operator", engaged_at=EPOCH)


def event(revision: int, change: Change, kind: str, name: str, record: bytes) -> Event:
    return Event(
        revision=Revision(revision), change=change, kind=kind, name=name, record=record, at=EPOCH, actor="dev:operator"
    )


def keep(state: PolicyState[str], revision: int, content: bytes) -> Bundle:
    kept = bundle(content, revision)
    state.apply(event(revision, Change.ADDED, BUNDLE, kept.name, records.encode(kept)))
    return kept


def follow(state: PolicyState[str], revision: int, **said: Any) -> None:
    rollout = Rollout(revision=revision, **said)
    state.apply(event(revision, Change.MODIFIED, ROLLOUT, ROLLOUT, records.encode(rollout)))


def push(state: PolicyState[str], revision: int, content: bytes) -> None:
    follow(state, revision + 1, active=keep(state, revision, content).digest)


EVERYTHING = switch("killSwitches/all", KillTarget(TargetKind.EVERYTHING))


def test_nothing_is_in_force_before_anything_was_pushed() -> None:
    state = PolicyState(Compiler())
    assert (state.current.bundle, state.current.compiled, len(state.current.kill_switches)) == (None, None, 0)


def test_a_pushed_bundle_decides_from_its_revision_on() -> None:
    state = PolicyState(Compiler())
    before = state.current
    keep(state, 1, b"one")
    assert (state.current.compiled, state.current.epoch) == (None, 0)
    push(state, 2, b"one")
    assert (state.current.compiled, state.current.revision, state.current.epoch) == ("one", 3, 3)
    assert before.compiled is None


def test_what_is_tried_stands_beside_what_decides_until_the_rollout_says_otherwise() -> None:
    state = PolicyState(Compiler())
    push(state, 1, b"one")
    two = keep(state, 3, b"two").digest
    follow(state, 4, active=state.active().digest, candidate=two, mode=Mode.SHADOW)
    assert (state.current.compiled, state.current.candidate) == ("one", "two")
    follow(state, 5, active=two)
    assert (state.current.compiled, state.current.candidate) == ("two", None)


def test_a_forgotten_bundle_is_not_kept_and_the_newest_stands_first() -> None:
    state = PolicyState(Compiler())
    first, second = keep(state, 1, b"one"), keep(state, 2, b"two")
    assert state.bundles == [second, first]
    state.apply(event(3, Change.DELETED, BUNDLE, first.name, records.encode(replace(first, files=()))))
    assert state.bundles == [second]
    with pytest.raises(BundleNotFound):
        state.kept(first.digest)


def test_a_candidate_that_does_not_compile_here_is_not_tried() -> None:
    state = PolicyState(Compiler())
    push(state, 1, b"one")
    follow(state, 4, active=state.active().digest, candidate=keep(state, 3, b"bad").digest, mode=Mode.CANARY)
    assert (state.current.compiled, state.current.candidate) == ("one", None)
    assert "it is not tried" in state.problem


class SlowCompiler(Compiler):
    """Compiles when it is let, and says in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.let.set()
        self.threads: list[int] = []

    def __call__(self, files: Sequence[PolicyFile]) -> str:
        self.threads.append(threading.get_ident())
        assert self.let.wait(10)
        return super().__call__(files)


@asynccontextmanager
async def replica(compiler: Compiler) -> AsyncIterator[tuple[PolicyState[str], asyncio.Queue[int]]]:
    """A state whose bundles are compiled beside it, and the epochs it told of."""
    state, told = PolicyState(compiler), asyncio.Queue[int]()
    async with background(state.compiling(lambda: told.put_nowait(state.current.epoch))):
        await asyncio.sleep(0)
        yield state, told


async def test_what_another_replica_lets_decide_is_compiled_while_the_last_good_bundle_decides() -> None:
    compiler = SlowCompiler()
    async with replica(compiler) as (state, told):
        push(state, 1, b"one")
        first = await asyncio.wait_for(told.get(), 10)
        assert (state.current.compiled, first) == ("one", 3)
        compiler.let.clear()
        push(state, 3, b"two")
        state.apply(event(5, Change.ADDED, KILL_SWITCH, EVERYTHING.name, records.encode(EVERYTHING)))
        during = state.current
        assert (during.compiled, during.bundle, len(during.kill_switches)) == ("one", bundle(b"one"), 1)
        assert "is being compiled" in state.problem
        compiler.let.set()
        after = await asyncio.wait_for(told.get(), 10)
        assert (state.current.compiled, state.problem) == ("two", "")
        assert after == state.current.epoch > during.epoch
        assert threading.get_ident() not in compiler.threads
        follow(state, 6, active=bundle(b"one").digest)
        assert (state.current.compiled, state.current.epoch > after) == ("one", True)


async def test_what_does_not_compile_on_a_replica_leaves_what_decided() -> None:
    compiler = SlowCompiler()
    async with replica(compiler) as (state, told):
        push(state, 1, b"one")
        await asyncio.wait_for(told.get(), 10)
        push(state, 3, b"bad")
        await asyncio.wait_for(told.get(), 10)
        assert (state.current.compiled, compiler.runs) == ("one", 2)
        assert "does not compile here" in state.problem
        push(state, 5, b"three")
        await asyncio.wait_for(told.get(), 10)
        assert (state.current.compiled, state.problem) == ("three", "")


async def test_what_decided_before_is_compiled_again_after_a_restart() -> None:
    one, two = bundle(b"one", 1), bundle(b"two", 3)
    compiler = Compiler()
    state = PolicyState(compiler)
    state.fill(StoredPolicy(bundles=(two, one), rollout=Rollout(active=two.digest, previous=one.digest)), Revision(4))
    await state.warming()
    assert compiler.runs == 2
    follow(state, 5, active=one.digest)
    assert (state.current.compiled, compiler.runs) == ("one", 2)


def test_a_bundle_compiled_by_its_push_is_not_compiled_again() -> None:
    compiler = Compiler()
    state = PolicyState(compiler)
    state.compiled(bundle(b"one").files)
    push(state, 1, b"one")
    assert compiler.runs == 1


def test_compiled_bundles_are_not_kept_for_ever() -> None:
    compiler = Compiler()
    state = PolicyState(compiler)
    for number in range(6):
        state.compiled(bundle(str(number).encode()).files)
    state.compiled(bundle(b"0").files)
    assert compiler.runs == 7


def test_what_is_forgotten_is_handed_over_and_nothing_that_did_not_compile() -> None:
    forgotten: list[str] = []

    def let_go(bundles: list[str]) -> None:
        forgotten.extend(bundles)
        bundles.clear()

    state = PolicyState(Compiler(), let_go=let_go)
    for content in (b"one", b"bad", b"two", b"three"):
        with suppress(BundleInvalid):
            state.compiled(bundle(content).files)
    assert forgotten == []
    for content in (b"four", b"five", b"six"):
        state.compiled(bundle(content).files)
    assert forgotten == ["one", "two"]


def test_the_files_of_a_bundle_compiled_here_are_not_read_out_of_its_event_again() -> None:
    state = PolicyState(Compiler())
    pushed = bundle(b"one")
    state.compiled(pushed.files)
    keep(state, 1, b"one")
    keep(state, 2, b"of another replica")
    assert state.kept(pushed.digest) == pushed
    assert state.kept(pushed.digest).files is pushed.files
    assert state.kept(bundle(b"of another replica").digest).files[0].content == b"of another replica"


def test_a_stored_bundle_that_does_not_compile_leaves_the_last_good_one_in_force() -> None:
    state = PolicyState(Compiler())
    push(state, 1, b"one")
    push(state, 3, b"bad")
    assert state.current.compiled == "one"
    assert "a.yaml:1: says so" in state.problem
    push(state, 5, b"three")
    assert (state.current.compiled, state.problem) == ("three", "")


def test_switches_come_and_go_with_their_events() -> None:
    state = PolicyState(Compiler())
    record = records.encode(EVERYTHING)
    state.apply(event(1, Change.ADDED, KILL_SWITCH, EVERYTHING.name, record))
    thrown = state.current
    state.apply(event(2, Change.DELETED, KILL_SWITCH, EVERYTHING.name, record))
    assert thrown.kill_switches.everything == EVERYTHING
    assert state.current.kill_switches.everything is None
    assert (thrown.epoch, state.current.epoch) == (1, 2)


def test_a_restart_comes_to_the_same_state() -> None:
    state = PolicyState(Compiler())
    one = bundle(b"one")
    state.fill(
        StoredPolicy(bundles=(one,), rollout=Rollout(active=one.digest), kill_switches=(EVERYTHING,)), Revision(7)
    )
    assert (state.current.compiled, state.current.revision, state.current.epoch) == ("one", 7, 7)
    assert list(state.current.kill_switches) == [EVERYTHING]


def test_an_owner_sees_its_switches_and_those_that_reach_beyond_it() -> None:
    own = switch("killSwitches/b", KillTarget(TargetKind.NAMESPACE, "sales"))
    foreign = switch("killSwitches/c", KillTarget(TargetKind.NAMESPACE, "finance"))
    engaged = KillSwitches({held.name: held for held in (EVERYTHING, own, foreign)})
    owner = Caller(principal="o", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))
    auditor = Caller(principal="a", roles=frozenset({Role.AUDITOR}))

    assert page_of(engaged, caller=owner, after="", size=10) == ((EVERYTHING, own), False)
    assert page_of(engaged, caller=auditor, after="", size=2) == ((EVERYTHING, own), True)
    assert page_of(engaged, caller=auditor, after=own.name, size=2) == ((foreign,), False)
