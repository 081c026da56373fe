"""What is in force follows the events, and keeps the last good bundle."""

from collections.abc import Sequence

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import EPOCH
from ringfence_kit.errors import Violation
from ringfence_kit.events import Change, Event, Revision
from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.kill_switch import KILL_SWITCH, KillSwitch, KillSwitches, KillTarget, TargetKind
from ringfence_pdp.kill_switches import page_of
from ringfence_pdp.policy_state import PolicyState
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


def pushed(revision: int, content: bytes) -> Event:
    return event(revision, Change.MODIFIED, BUNDLE, "bundles/x", records.encode(bundle(content, revision)))


EVERYTHING = switch("killSwitches/all", KillTarget(TargetKind.EVERYTHING))


def test_nothing_is_in_force_before_anything_was_pushed() -> None:
    state = PolicyState(Compiler())
    assert (state.current.bundle, state.current.compiled, len(state.current.kill_switches)) == (None, None, 0)


def test_a_pushed_bundle_decides_from_its_revision_on() -> None:
    state = PolicyState(Compiler())
    before = state.current
    state.apply(pushed(1, b"one"))
    assert (state.current.compiled, state.current.revision) == ("one", 1)
    assert before.compiled is None


def test_a_bundle_compiled_by_its_push_is_not_compiled_again() -> None:
    compiler = Compiler()
    state = PolicyState(compiler)
    state.compiled(bundle(b"one").files)
    state.apply(pushed(1, b"one"))
    assert compiler.runs == 1


def test_compiled_bundles_are_not_kept_for_ever() -> None:
    compiler = Compiler()
    state = PolicyState(compiler)
    for number in range(6):
        state.compiled(bundle(str(number).encode()).files)
    state.compiled(bundle(b"0").files)
    assert compiler.runs == 7


def test_a_stored_bundle_that_does_not_compile_leaves_the_last_good_one_in_force() -> None:
    state = PolicyState(Compiler())
    state.apply(pushed(1, b"one"))
    state.apply(pushed(2, b"bad"))
    assert state.current.compiled == "one"
    assert "a.yaml:1: says so" in state.problem
    state.apply(pushed(3, b"three"))
    assert (state.current.compiled, state.problem) == ("three", "")


def test_switches_come_and_go_with_their_events() -> None:
    state = PolicyState(Compiler())
    record = records.encode(EVERYTHING)
    state.apply(event(1, Change.ADDED, KILL_SWITCH, EVERYTHING.name, record))
    thrown = state.current
    state.apply(event(2, Change.DELETED, KILL_SWITCH, EVERYTHING.name, record))
    assert thrown.kill_switches.everything == EVERYTHING
    assert state.current.kill_switches.everything is None


def test_a_restart_comes_to_the_same_state() -> None:
    state = PolicyState(Compiler())
    state.fill(StoredPolicy(bundle=bundle(b"one"), kill_switches=(EVERYTHING,)), Revision(7))
    assert (state.current.compiled, state.current.revision) == ("one", 7)
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
