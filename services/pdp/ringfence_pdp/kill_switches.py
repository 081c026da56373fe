"""Use cases of kill switches: engage, release.

A platform-admin may stop anything; a namespace-owner what lies in its namespaces. Whether a switch exists is told only
to whoever may release it.
"""

from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.errors import KillSwitchAlreadyEngaged, KillSwitchNotFound
from ringfence_pdp.kill_switch import KILL_SWITCH, KillSwitch, KillSwitches, KillTarget
from ringfence_pdp.store import PolicyTx


def may_stop(caller: Caller, target: KillTarget) -> bool:
    """Say whether `caller` may stop `target`, and let it go again."""
    return caller.owns(target.namespace)


async def engage_kill_switch(
    writer: Writer[PolicyTx], *, caller: Caller, target: KillTarget, reason: str, switch_id: str, mutation: Mutation
) -> KillSwitch:
    """Stop `target` and return the switch. Raises `NotPermitted` or `KillSwitchAlreadyEngaged`."""
    if not may_stop(caller, target):
        raise NotPermitted(principal=caller.principal, action=f"stop {target}", needed=_needed(target))

    def work(tx: PolicyTx) -> KillSwitch:
        engaged = tx.kill_switch_on(target)
        if engaged is not None:
            raise KillSwitchAlreadyEngaged(target=str(target), name=engaged.name)
        switch = KillSwitch(
            name=f"killSwitches/{switch_id}",
            target=target,
            reason=reason,
            actor=mutation.principal,
            engaged_at=mutation.at,
        )
        tx.engage(switch)
        tx.record(Change.ADDED, KILL_SWITCH, switch.name, records.encode(switch))
        return switch

    return await writer.write(work, mutation=mutation, result=KillSwitch)


async def release_kill_switch(
    writer: Writer[PolicyTx], *, caller: Caller, name: str, reason: str, mutation: Mutation
) -> None:
    """Let the target of the switch called `name` go again. Raises `KillSwitchNotFound`, also for what is not yours."""

    def work(tx: PolicyTx) -> None:
        switch = tx.kill_switch(name)
        if switch is None or not may_stop(caller, switch.target):
            raise KillSwitchNotFound(name=name)
        tx.release(name)
        tx.record(Change.DELETED, KILL_SWITCH, name, records.encode(replace(switch, released_because=reason)))

    return await writer.write(work, mutation=mutation, result=type(None))


def page_of(engaged: KillSwitches, *, caller: Caller, after: str, size: int) -> tuple[tuple[KillSwitch, ...], bool]:
    """Return up to `size` switches after the name `after` that `caller` may see, and whether there are more.

    An auditor and the services see all, an owner those of its namespaces and those that reach beyond any.
    """
    sees_all = caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)
    visible = [
        switch
        for switch in engaged
        if switch.name > after and (sees_all or not switch.target.namespace or may_stop(caller, switch.target))
    ]
    return tuple(visible[:size]), len(visible) > size


def _needed(target: KillTarget) -> str:
    if target.namespace:
        return f"platform-admin, or namespace-owner of {target.namespace}"
    return "platform-admin"
