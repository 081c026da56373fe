"""Each rule of a chain of grants: a sound one holds, and breaking the rule is refused by its name and its link."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ringfence.proofs.delegation_chain import (
    DelegationError,
    Rule,
    check_chain,
    read_chain,
    require_audience,
    require_holder,
    require_in_force,
)
from ringfence.proofs.delegation_grant import Budget, claims_of, sign_grant
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import Thumbprint, public_key_of
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant
from support.identity.delegation_chains import (
    LEDGER,
    NOW,
    ORDERS,
    OTHER_SCHEMA,
    SCHEMA,
    World,
    did_of,
    first_grant,
    next_grant,
    party,
    sound_chain,
)
from support.identity.keys import seeded_key


def broken(world: World, *grants: str) -> tuple[str, int]:
    """Return the rule and the link that a chain is refused for."""
    with pytest.raises(DelegationError) as refused:
        world.rights(grants)
    assert refused.value.problem
    return refused.value.rule.value, refused.value.link


def first(**changes: Any) -> str:
    return sign_grant(first_grant(**changes), seeded_key(1))


def second(above: str, **changes: Any) -> str:
    return sign_grant(next_grant(above, to=2, **changes), seeded_key(2))


def test_a_sound_chain_is_worth_what_it_hands_on() -> None:
    rights = World().rights(sound_chain(3))
    assert rights.path == tuple(did_of(number) for number in range(4))
    assert rights.depth == len(rights.grants) == len(rights.limits) == 3
    assert rights.scopes == ("ledger:propose", "orders:*")
    assert rights.audiences == (ORDERS, LEDGER)
    assert rights.tools == {"ledger.propose": SCHEMA}
    assert (rights.chain, rights.environment, rights.ring) == ("grant-1", "prod", 3)
    assert (rights.not_before, rights.expires_at) == (NOW - HOUR, NOW + HOUR)


def test_five_grants_are_a_chain_and_six_are_none() -> None:
    world = World()
    assert world.rights(sound_chain(5)).depth == 5
    longest = sound_chain(5)
    assert broken(world, *longest, longest[-1]) == ("links", 6)
    assert broken(world) == ("links", 0)


CHANGES_TO_THE_FIRST: list[tuple[str, dict[str, Any]]] = [
    ("certificate", {"parent": "X" * 43}),
    ("chain", {"chain": "another"}),
    ("depth", {"depth": 2}),
    ("depth", {"depth": 2, "max_depth": 1}),
    ("scope", {"scopes": ("orders:*", "admin:read")}),
    ("scope", {"scopes": ("ledger:*",)}),
    ("tools", {"tools": {"warehouse.export": SCHEMA}}),
    ("tools", {"tools": {"ledger.propose": OTHER_SCHEMA}}),
    ("window", {"not_before": Instant(NOW + HOUR)}),
    ("issued-at", {"issued_at": Instant(NOW + MINUTE)}),
    ("environment", {"environment": "dev"}),
    ("agent", {"delegatee": did_of(20)}),
    ("agent", {"delegator": did_of(20)}),
    ("loop", {"delegatee": did_of(0)}),
    ("key", {"issued_at": Instant(NOW - 2 * DAY)}),
]


@pytest.mark.parametrize(("rule", "changes"), CHANGES_TO_THE_FIRST)
def test_a_first_grant_that_breaks_a_rule(rule: str, changes: dict[str, Any]) -> None:
    assert broken(World(), first(**changes)) == (rule, 1)


CHANGES_TO_THE_SECOND: list[tuple[str, dict[str, Any]]] = [
    ("issuer", {"delegator": did_of(3)}),
    ("parent", {"parent": "X" * 43}),
    ("chain", {"chain": "grant-2"}),
    ("depth", {"depth": 1}),
    ("depth", {"depth": 3}),
    ("environment", {"environment": "dev"}),
    ("scope", {"scopes": ("orders:read:*", "ledger:*")}),
    ("scope", {"scopes": ("orders:read", "billing:read")}),
    ("audience", {"audiences": (ORDERS, "https://elsewhere.example.com")}),
    ("tools", {"tools": {"ledger.propose": OTHER_SCHEMA}}),
    ("tools", {"tools": {"ledger.propose": SCHEMA, "warehouse.export": SCHEMA}}),
    ("budget", {"budget": Budget()}),
    ("budget", {"budget": Budget(calls=11, cost_micros=500)}),
    ("budget", {"budget": Budget(calls=10, cost_micros=501)}),
    ("budget", {"budget": Budget(cost_micros=500)}),
    ("window", {"expires_at": Instant(NOW + HOUR + SECOND)}),
    ("window", {"not_before": Instant(NOW - HOUR - SECOND)}),
    ("window", {"not_before": Instant(NOW + HOUR)}),
    ("issued-at", {"issued_at": Instant(NOW - 2 * MINUTE)}),
    ("issued-at", {"issued_at": Instant(NOW + MINUTE)}),
    ("loop", {"delegatee": did_of(0)}),
    ("loop", {"delegatee": did_of(1)}),
    ("agent", {"delegatee": did_of(20)}),
]


@pytest.mark.parametrize(("rule", "changes"), CHANGES_TO_THE_SECOND)
def test_a_second_grant_that_breaks_a_rule(rule: str, changes: dict[str, Any]) -> None:
    above = first(budget=Budget(calls=10, cost_micros=500))
    assert World().rights((above, second(above))).depth == 2
    assert broken(World(), above, second(above, **changes)) == (rule, 2)


NARROWINGS: list[dict[str, Any]] = [
    {"scopes": ("orders:read",)},
    {"scopes": ("orders:read:*", "orders:write")},
    {"audiences": (LEDGER,)},
    {"tools": {}},
    {"budget": Budget(calls=1, cost_micros=1)},
    {"expires_at": Instant(NOW + MINUTE), "not_before": NOW},
    {"max_depth": 2},
    {"holder": public_key_of(seeded_key(3)).thumbprint},
]


@pytest.mark.parametrize("changes", NARROWINGS)
def test_whatever_is_narrower_holds(changes: dict[str, Any]) -> None:
    above = first(budget=Budget(calls=10, cost_micros=500))
    assert World().rights((above, second(above, **changes))).depth == 2


@pytest.mark.parametrize("max_depth", [1, 2])
def test_nobody_goes_deeper_than_a_grant_above_says(max_depth: int) -> None:
    above = first(max_depth=max_depth)
    narrower = second(above, depth=2, max_depth=2)
    assert (max_depth == 2) == holds(World(), above, narrower)
    wider = second(above, max_depth=3)
    assert broken(World(), above, wider) == ("depth", 2)


def holds(world: World, *grants: str) -> bool:
    try:
        world.rights(grants)
    except DelegationError:
        return False
    return True


@pytest.mark.parametrize(("allowed", "max_depth", "good"), [(0, 1, False), (1, 1, True), (1, 2, False), (2, 2, True)])
def test_a_birth_certificate_bounds_how_deep_its_agent_delegates(allowed: int, max_depth: int, good: bool) -> None:
    world = World()
    world.change_certificate(0, max_delegation_depth=allowed)
    assert holds(world, first(max_depth=max_depth)) == good


@pytest.mark.parametrize(("allowed", "max_depth", "good"), [(0, 2, False), (1, 2, True), (1, 3, False), (2, 3, True)])
def test_so_does_that_of_an_agent_in_between(allowed: int, max_depth: int, good: bool) -> None:
    world = World()
    world.change_certificate(1, max_delegation_depth=allowed)
    above = first(max_depth=3)
    below = second(above, max_depth=max_depth)
    assert holds(world, above, below) == good
    if not good:
        assert broken(world, above, below) == ("depth", 2)


def test_a_superseded_birth_certificate_is_no_root() -> None:
    world = World()
    grants = sound_chain(2)
    world.change_certificate(0, hash="N" * 43)
    assert broken(world, *grants) == ("certificate", 1)


def test_what_agents_in_between_lost_is_not_handed_on() -> None:
    """Their certificates narrow what comes out; they do not void what others were granted."""
    world = World()
    world.change_certificate(1, permissions=("orders:read", "orders:write:*", "billing:*"), tools={})
    rights = world.rights(sound_chain(2))
    assert rights.scopes == ("orders:read", "orders:write:*")
    assert rights.tools == {}


def test_a_holder_gains_nothing_its_own_certificate_does_not_permit() -> None:
    world = World()
    world.change_certificate(2, permissions=("billing:*",))
    assert world.rights(sound_chain(2)).scopes == ()


def test_a_certificate_that_pins_no_schema_approves_every_one() -> None:
    world = World()
    world.change_certificate(0, tools={"ledger.propose": ""})
    assert world.rights((first(),)).tools == {"ledger.propose": SCHEMA}


def test_the_least_trusted_agent_decides_the_ring() -> None:
    world = World()
    for number, ring in enumerate((1, 0, 2)):
        world.change(number, ring=ring)
    assert world.rights(sound_chain(2)).ring == 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_agent_of_another_environment_voids_the_chain(number: int) -> None:
    world = World()
    world.change(number, environment="dev")
    assert broken(world, *sound_chain(2)) == ("environment", max(number, 1))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_agent_on_another_host_voids_the_chain(number: int) -> None:
    """Even when somebody claims that it is of the same environment."""
    foreign = did_of(number, "dev.id.ringfence.internal")
    world = World()
    world.parties[foreign] = party(number, did=foreign)
    role = "delegator" if number == 0 else "delegatee"
    above = first(**({role: foreign} if number < 2 else {}))
    below = second(above, **({role: foreign} if number == 2 else {}))
    assert broken(world, above, below)[0] == "environment"


def signed_at(at: Instant, period: KeyPeriod) -> bool:
    """Say whether a grant made at `at` holds when its delegator's key had this period."""
    world = World()
    world.change(0, keys=(period,))
    return holds(world, first(issued_at=at))


def test_a_key_counts_while_it_is_in_force() -> None:
    key = public_key_of(seeded_key(1))
    period = KeyPeriod(key=key, since=Instant(NOW - HOUR), until=Instant(NOW - MINUTE))
    assert signed_at(Instant(NOW - HOUR), period)
    assert signed_at(Instant(NOW - MINUTE - SECOND), period)
    assert not signed_at(Instant(NOW - MINUTE), period)
    assert not signed_at(Instant(NOW - HOUR - SECOND), period)


def test_a_replaced_key_still_speaks_for_its_own_time() -> None:
    old = KeyPeriod(key=public_key_of(seeded_key(1)), since=Instant(NOW - DAY), until=NOW)
    new = KeyPeriod(key=public_key_of(seeded_key(77)), since=NOW)
    world = World()
    world.change(0, keys=(old, new))
    assert holds(world, first())
    assert broken(world, first(issued_at=NOW)) == ("key", 1)
    assert holds(world, sign_grant(first_grant(issued_at=NOW), seeded_key(77)))
    assert broken(world, sign_grant(first_grant(), seeded_key(77))) == ("key", 1)


def test_a_lost_key_counts_for_nothing_since() -> None:
    lost_at = Instant(NOW - MINUTE)
    key = KeyPeriod(key=public_key_of(seeded_key(1)), since=Instant(NOW - DAY), compromised_since=lost_at)
    assert signed_at(Instant(lost_at - SECOND), key)
    assert not signed_at(lost_at, key)
    assert not signed_at(NOW, key)
    world = World()
    world.change(0, keys=(key,))
    assert broken(world, first(issued_at=lost_at)) == ("compromised", 1)


def test_the_issuer_believes_of_a_lost_key_only_what_it_saw_before() -> None:
    """A thief writes any `iat` it likes."""
    lost_at = Instant(NOW - MINUTE)
    key = KeyPeriod(key=public_key_of(seeded_key(1)), since=Instant(NOW - DAY), compromised_since=lost_at)
    world = World()
    world.change(0, keys=(key,))
    chain = read_chain([first(issued_at=Instant(NOW - HOUR))])

    def believed(seen_at: dict[str, Instant]) -> bool:
        return passes(lambda: check_chain(chain, world.parties, now=NOW, seen_at=seen_at))

    assert believed({chain[0].hash: Instant(lost_at - 1)})
    assert not believed({chain[0].hash: lost_at})
    assert not believed({})
    assert not believed({"X" * 43: Instant(lost_at - 1)})


def test_a_grant_bound_to_a_key_is_handed_on_by_that_key_only() -> None:
    bound = first(holder=public_key_of(seeded_key(2)).thumbprint)
    assert holds(World(), bound, second(bound))
    elsewhere = first(holder=public_key_of(seeded_key(99)).thumbprint)
    assert broken(World(), elsewhere, second(elsewhere)) == ("holder-key", 2)


def test_another_agents_key_signs_for_nobody_else() -> None:
    assert broken(World(), sign_grant(first_grant(), seeded_key(2))) == ("key", 1)


def test_a_signature_by_another_grant_is_no_signature() -> None:
    one, other = first(), first(grant_id="grant-9", chain="grant-9")
    head, body, _ = one.split(".")
    assert broken(World(), f"{head}.{body}.{other.split('.')[2]}") == ("signature", 1)


@pytest.mark.parametrize(
    ("now", "good"),
    [(NOW - HOUR - 1, False), (NOW - HOUR, True), (NOW + HOUR - 1, True), (NOW + HOUR, False), (NOW + DAY, False)],
)
def test_a_chain_is_good_from_its_first_instant_until_just_before_its_last(now: int, good: bool) -> None:
    chain = sound_chain(2, issued_at=Instant(NOW - HOUR))
    assert good == holds(World(now=Instant(now)), *chain)
    assert good == passes(lambda: require_in_force(World().rights(chain), now=Instant(now)))


def test_a_chain_that_is_not_good_yet_can_be_judged_early() -> None:
    chain = read_chain([first(not_before=Instant(NOW + MINUTE))])
    with pytest.raises(DelegationError) as refused:
        check_chain(chain, World().parties, now=NOW)
    assert refused.value.rule is Rule.TIME
    assert check_chain(chain, World().parties, now=NOW, early=True).not_before == NOW + MINUTE
    with pytest.raises(DelegationError):
        check_chain(chain, World().parties, now=Instant(NOW + HOUR), early=True)


def test_a_chain_is_used_by_whom_it_is_granted_to() -> None:
    key = public_key_of(seeded_key(3)).thumbprint
    rights = World().rights(sound_chain(2))
    assert passes(lambda: require_holder(rights, did_of(2), key))
    for number in (0, 1, 3):
        assert not passes(partial(require_holder, rights, did_of(number), key))


def test_a_chain_bound_to_a_key_is_used_with_that_key() -> None:
    key = public_key_of(seeded_key(2)).thumbprint
    rights = World().rights((first(holder=key),))
    assert passes(lambda: require_holder(rights, did_of(1), key))
    assert not passes(lambda: require_holder(rights, did_of(1), Thumbprint("x" * 43)))


def test_a_chain_is_good_where_it_says() -> None:
    rights = World().rights((first(audiences=(ORDERS,)),))
    assert passes(lambda: require_audience(rights, ORDERS))
    assert not passes(lambda: require_audience(rights, LEDGER))


def passes(check: Callable[[], object]) -> bool:
    try:
        check()
    except DelegationError:
        return False
    return True


def test_the_readme_names_every_rule_and_every_claim() -> None:
    readme = (Path(__file__).parents[3] / "services" / "identity" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Delegating\n")[2].partition("\n## ")[0]
    listed = re.search(r"names the rule and the\s+link: (.*?)\.\n", section, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`([a-z-]+)`", listed[1]) == [rule.value for rule in Rule]
    claims = {name for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in row.split("`")[1::2]}
    assert claims == {*claims_of(first_grant()), "cnf"}


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.value for rule in Rule}) == len(Rule)
    assert all(rule.value == rule.value.lower() for rule in Rule)
