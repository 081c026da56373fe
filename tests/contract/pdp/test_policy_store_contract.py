"""The contract of the pdp's store and of the use cases on it, over memory, SQLite and PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch, NotPermitted, RequestIdReused, Violation
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, fingerprint_of
from ringfence_pdp.bundle import BUNDLE, Bundle, PolicyFile, digest_of
from ringfence_pdp.bundles import push_bundle
from ringfence_pdp.errors import BundleInvalid, KillSwitchAlreadyEngaged, KillSwitchNotFound
from ringfence_pdp.kill_switch import KillSwitch, KillTarget, TargetKind
from ringfence_pdp.kill_switches import engage_kill_switch, release_kill_switch
from support.backends import Backend
from support.pdp.opened import Policies, opened_policies

ADMIN = Caller(principal="dev:operator", roles=frozenset({Role.PLATFORM_ADMIN}))
OWNER = Caller(principal="owner", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))
BY_ADMIN = Mutation(principal="dev:operator", at=Instant(1_767_225_600_000))

FILES = (PolicyFile(path="b.yaml", content=b"two"), PolicyFile(path="a.yaml", content=b"one"))
SAFE = "it is safe again"
EVERYTHING = KillTarget(TargetKind.EVERYTHING)
ANALYST = KillTarget(TargetKind.AGENT, "namespaces/sales/agents/analyst")


@dataclass(frozen=True)
class Size:
    policy_count: int
    rule_count: int


def compiles(files: Sequence[PolicyFile]) -> Size:
    return Size(policy_count=len(files), rule_count=3 * len(files))


def refuses(files: Sequence[PolicyFile]) -> Size:
    raise BundleInvalid([Violation(f"{files[0].path}:1 spec.rules", "is missing")])


async def push(policies: Policies, content: bytes = b"", *, etag: str = "", by: Mutation = BY_ADMIN) -> Bundle:
    files = (*FILES, PolicyFile(path="c.yaml", content=content))
    return await push_bundle(policies.writer, files=files, compile_files=compiles, etag=etag, mutation=by)


async def engage(
    policies: Policies, target: KillTarget = EVERYTHING, *, caller: Caller = ADMIN, switch_id: str = "one"
) -> KillSwitch:
    return await engage_kill_switch(
        policies.writer, caller=caller, target=target, reason="it misbehaves", switch_id=switch_id, mutation=BY_ADMIN
    )


async def test_the_pushed_bundle_is_the_active_one_also_after_a_restart(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        await push(policies, b"first")
        second = await push(policies, b"second")
    async with opened_policies(backend) as policies:
        revision, stored = await policies.store.load()

    assert stored.bundle == second
    assert (revision, second.revision, stored.rollout.revision) == (4, 3, 4)
    assert [file.path for file in second.files] == ["a.yaml", "b.yaml", "c.yaml"]
    assert (second.policy_count, second.rule_count) == (3, 9)


async def test_a_bundle_that_does_not_compile_changes_nothing(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        first = await push(policies)
        with pytest.raises(BundleInvalid):
            await push_bundle(policies.writer, files=FILES, compile_files=refuses, etag="", mutation=BY_ADMIN)
        _, stored = await policies.store.load()

    assert stored.bundle == first
    assert len(policies.events) == 2


async def test_a_push_on_a_stale_etag_is_refused_and_names_the_current_one(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        first = await push(policies, b"first")
        second = await push(policies, b"second", etag=first.etag)
        with pytest.raises(EtagMismatch) as refused:
            await push(policies, b"third", etag=first.etag)

    assert refused.value.metadata["current_etag"] == second.etag


async def test_an_etag_for_the_first_bundle_is_refused(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        with pytest.raises(EtagMismatch):
            await push(policies, etag='"1-0"')


async def test_the_same_files_again_are_another_activation(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        first = await push(policies)
        second = await push(policies)

    assert first.digest == second.digest
    assert first.etag != second.etag
    assert [event.change for event in policies.events if event.kind == BUNDLE] == [Change.ADDED, Change.MODIFIED]


async def test_a_repeated_push_gives_the_first_answer(backend: Backend) -> None:
    once = replace(
        BY_ADMIN, request_id="4b0b0c0e-0000-4000-8000-000000000001", fingerprint=fingerprint_of(b"x"), method="/push"
    )
    async with opened_policies(backend) as policies:
        first = await push(policies, b"first", by=once)
        await push(policies, b"second")
        assert await push(policies, b"first", by=once) == first
        with pytest.raises(RequestIdReused):
            await push(policies, b"first", by=replace(once, fingerprint=fingerprint_of(b"y")))


async def test_validating_activates_nothing(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        bundle = await push_bundle(
            policies.writer, files=FILES, compile_files=compiles, etag="", mutation=BY_ADMIN, validate_only=True
        )
        _, stored = await policies.store.load()

    assert bundle.digest == digest_of(FILES)
    assert stored.bundle is None
    assert policies.events == []


async def test_a_thrown_switch_survives_a_restart_and_can_be_released(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        switch = await engage(policies, ANALYST)
    async with opened_policies(backend) as policies:
        _, stored = await policies.store.load()
        assert stored.kill_switches == (switch,)
        await release_kill_switch(policies.writer, caller=ADMIN, name=switch.name, reason=SAFE, mutation=BY_ADMIN)
        _, stored = await policies.store.load()

    assert stored.kill_switches == ()
    released = policies.events[-1]
    assert released.change is Change.DELETED
    assert records.decode(released.record, KillSwitch).released_because == SAFE


async def test_switches_are_listed_by_name(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        for switch_id, tool in (("c", "three"), ("a", "one"), ("b", "two")):
            await engage(policies, KillTarget(TargetKind.TOOL, tool), switch_id=switch_id)
        _, stored = await policies.store.load()

    assert [switch.name for switch in stored.kill_switches] == ["killSwitches/a", "killSwitches/b", "killSwitches/c"]


async def test_a_target_is_stopped_once(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        await engage(policies, ANALYST, switch_id="one")
        with pytest.raises(KillSwitchAlreadyEngaged) as refused:
            await engage(policies, ANALYST, switch_id="two")

    assert refused.value.metadata["name"] == "killSwitches/one"
    assert len(policies.events) == 1


async def test_a_released_target_can_be_stopped_again(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        first = await engage(policies, switch_id="one")
        await release_kill_switch(policies.writer, caller=ADMIN, name=first.name, reason=SAFE, mutation=BY_ADMIN)
        second = await engage(policies, switch_id="two")
        _, stored = await policies.store.load()

    assert stored.kill_switches == (second,)


async def test_releasing_what_is_not_engaged_is_refused(backend: Backend) -> None:
    async with opened_policies(backend) as policies:
        with pytest.raises(KillSwitchNotFound):
            await release_kill_switch(
                policies.writer, caller=ADMIN, name="killSwitches/none", reason=SAFE, mutation=BY_ADMIN
            )


async def test_an_owner_stops_and_releases_only_what_is_its_own(backend: Backend) -> None:
    foreign = KillTarget(TargetKind.NAMESPACE, "finance")
    async with opened_policies(backend) as policies:
        own = await engage(policies, ANALYST, caller=OWNER, switch_id="own")
        for target in (EVERYTHING, foreign, KillTarget(TargetKind.TOOL, "warehouse.export")):
            with pytest.raises(NotPermitted):
                await engage(policies, target, caller=OWNER, switch_id="foreign")
        await engage(policies, foreign, switch_id="foreign")
        with pytest.raises(KillSwitchNotFound):
            await release_kill_switch(
                policies.writer, caller=OWNER, name="killSwitches/foreign", reason=SAFE, mutation=BY_ADMIN
            )
        await release_kill_switch(policies.writer, caller=OWNER, name=own.name, reason=SAFE, mutation=BY_ADMIN)
        _, stored = await policies.store.load()

    assert [switch.target for switch in stored.kill_switches] == [foreign]
