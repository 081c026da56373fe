"""What a trial may not do: change an answer from the shadow, jump from agent to agent, or outlive a way back."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import EPOCH
from ringfence_kit.events import Revision
from ringfence_pdp.bundle import Bundle, PolicyFile, digest_of
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.model import Effect
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.rollout import AutoAbort, Mode, Rollout, share_of
from ringfence_pdp.rollout.rollouts import activated
from ringfence_pdp.rollout.trial import Trial
from ringfence_pdp.store import StoredPolicy
from support.pdp.bundles import World, bundles, worlds
from support.pdp.bundles import files as files_of
from support.pdp.world import basis, bundle, policy

some_files = bundles(careless=False).map(files_of)
agents = st.text(min_size=1, max_size=30)


def basis_of(world: World, compiled: CompiledBundle) -> Basis:
    return basis(
        compiled,
        facts=world.facts,
        switches=world.switches,
        identity_age=world.identity_age,
        gated=world.gated,
    )


def trial_of(candidate: CompiledBundle, mode: Mode, *, aborted: list[Trial] | None = None, **said: Any) -> Trial:
    rollout = Rollout(active="a", candidate="b", mode=mode, revision=1, **said)
    return Trial(rollout, candidate, on_abort=(aborted if aborted is not None else []).append)


@settings(max_examples=40)
@given(some_files, some_files, worlds())
def test_a_shadow_never_changes_a_decision(active: list[PolicyFile], tried: list[PolicyFile], world: World) -> None:
    on, candidate = basis_of(world, compile_files(active)), compile_files(tried)
    trial = trial_of(candidate, Mode.SHADOW)
    judged = trial.judge(on, world.request, "id")
    assert judged.decision == decide(on, world.request)
    assert judged.basis is on
    then = decide(on._replace(bundle=candidate), world.request)
    assert judged.would == then
    assert trial.flips.flips == (then.effect is not judged.decision.effect)


@settings(max_examples=40)
@given(some_files, some_files, worlds(), st.integers(0, 100))
def test_a_canary_decides_as_the_candidate_would_for_its_share_and_as_the_active_one_for_the_rest(
    active: list[PolicyFile], tried: list[PolicyFile], world: World, percent: int
) -> None:
    on, candidate = basis_of(world, compile_files(active)), compile_files(tried)
    judged = trial_of(candidate, Mode.CANARY, percent=percent).judge(on, world.request, "id")
    request = world.request
    identity = world.facts.identity(request.did, request.agent, request.environment)
    name = identity.resource_name if identity is not None else request.did or str(request.agent)
    if share_of(name) < percent:
        assert (judged.mode, judged.decision) == (Mode.CANARY, decide(on._replace(bundle=candidate), request))
    else:
        assert (judged.mode, judged.decision) == (Mode.NONE, decide(on, request))


@given(agents, st.integers(0, 100), st.integers(0, 100))
def test_more_percent_only_adds_agents_and_the_same_agent_is_always_in_or_out(agent: str, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert not share_of(agent) < less or share_of(agent) < more
    assert 0 <= share_of(agent) < 100
    assert share_of(agent) == share_of(str(agent))


def test_a_share_of_the_agents_is_about_that_share() -> None:
    names = [f"namespaces/n{number % 7}/agents/a{number}" for number in range(5_000)]
    for percent in (1, 10, 50, 90):
        inside = sum(share_of(name) < percent for name in names) / len(names)
        assert abs(inside - percent / 100) < 0.02


@settings(max_examples=15)
@given(st.lists(some_files, min_size=2, max_size=4), worlds(), st.data())
def test_rolled_back_to_a_bundle_everything_is_as_under_it(
    pushed: list[list[PolicyFile]], world: World, data: st.DataObject
) -> None:
    kept = {digest_of(one): bundle_of(one, revision) for revision, one in enumerate(pushed, start=1)}
    state: PolicyState[CompiledBundle] = PolicyState(compile_files)
    rollout = Rollout()
    for digest in kept:
        rollout = activated(rollout, digest)
    wanted = data.draw(st.sampled_from(list(kept)))
    rollout = activated(rollout, wanted)
    state.fill(StoredPolicy(bundles=tuple(kept.values()), rollout=rollout), Revision(9))
    in_force = state.current.compiled
    assert in_force is not None
    under = compile_files(list(kept[wanted].files))
    assert decide(basis_of(world, in_force), world.request) == decide(basis_of(world, under), world.request)


@given(st.integers(1, 20), st.floats(0.01, 1), st.lists(st.booleans(), max_size=40))
def test_a_trial_is_over_exactly_when_it_flipped_too_often(least: int, most: float, flipped: list[bool]) -> None:
    aborted: list[Trial] = []
    rollout = Rollout(
        active="a",
        candidate="b",
        mode=Mode.SHADOW,
        revision=1,
        auto_abort=AutoAbort(max_flip_rate=most, min_decisions=least),
    )
    trial = Trial(rollout, NOTHING, on_abort=aborted.append)
    over_at = None
    for number, flip in enumerate(flipped, start=1):
        trial.saw(Effect.ALLOW, Effect.DENY if flip else Effect.ALLOW, "p/r", "id", erred=False)
        if over_at is None and number >= least and sum(flipped[:number]) > most * number:
            over_at = number
        assert bool(aborted) == (over_at is not None)
        if over_at is not None:
            break


NOTHING = bundle(policy("{name: none, match: {actions: ['*']}, effect: DENY}"))


def bundle_of(files: list[PolicyFile], revision: int) -> Bundle:
    return Bundle(
        digest=digest_of(files),
        files=tuple(files),
        policy_count=1,
        rule_count=1,
        author="a",
        pushed_at=EPOCH,
        revision=revision,
    )
