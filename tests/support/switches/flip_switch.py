"""The use case: turn a switch, and say so."""

from ringfence_kit import records
from ringfence_kit.errors import Failure, Kind
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from support.switches.model import SWITCH, Switch
from support.switches.store import SwitchTx


class SwitchStuck(Failure):
    """A switch already stands where it should be turned to."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SWITCH_STUCK"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"switch {name} already stands there", metadata={"name": name})


async def flip_switch(writer: Writer[SwitchTx], *, name: str, on: bool, reason: str, mutation: Mutation) -> Switch:
    """Turn the switch called `name`, made when missing; raise `SwitchStuck` when it already stands there."""

    def work(tx: SwitchTx) -> Switch:
        before = tx.switch(name)
        if before is not None and before.on == on:
            raise SwitchStuck(name=name)
        after = Switch(name=name, on=on, reason=reason, flips=0 if before is None else before.flips + 1)
        tx.put(after)
        change = Change.ADDED if before is None else Change.MODIFIED
        tx.record(change, SWITCH, name, records.encode(after))
        return after

    return await writer.write(work, mutation=mutation, result=Switch)


async def remove_switch(writer: Writer[SwitchTx], *, name: str, mutation: Mutation) -> None:
    """Take the switch called `name` away; nothing happens when there is none."""

    def work(tx: SwitchTx) -> None:
        before = tx.switch(name)
        if before is not None:
            tx.remove(name)
            tx.record(Change.DELETED, SWITCH, name, records.encode(before))

    return await writer.write(work, mutation=mutation, result=type(None))
