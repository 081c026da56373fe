"""What one call counts: whom, for which limits, and each key once."""

import pytest
from ringfence_kit.clock import EPOCH
from ringfence_pdp.limit import LimitUnit
from ringfence_pdp.limits.charging import Allowance, Parties, Party, allowance_charges, charges, ring_charge
from ringfence_pdp.limits.counters import Charge
from ringfence_pdp.model import Side, Usage
from support.pdp.world import ask, bundle

A = Party("namespaces/data/agents/a", "data", "warehouse")
B = Party("namespaces/data/agents/b", "data", None)
C = Party("namespaces/sales/agents/c", "sales", "shop")


def policy(*limits: str, name: str = "house", governs: str = "{}") -> str:
    listed = "".join(f"    - {limit}\n" for limit in limits)
    return (
        f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  governs: {governs}\n"
        f"  rules:\n    - {{name: all, match: {{actions: ['*']}}, effect: ALLOW}}\n  limits:\n{listed}"
    )


def counted(*policies: str, parties: Parties | None = None, **fields: object) -> list[Charge]:
    return charges(bundle(*policies), ask(**fields), parties or Parties([A]))  # type: ignore[arg-type]  # ask's own


def keys(*policies: str, parties: Parties | None = None, **fields: object) -> list[str]:
    return sorted(charge.meter.key for charge in counted(*policies, parties=parties, **fields))


@pytest.mark.parametrize(
    ("per", "key"),
    [
        ("agent", "agent:namespaces/data/agents/a@prod"),
        ("origin", "origin:namespaces/data/agents/a@prod"),
        ("namespace", "namespace:data@prod"),
        ("team", "team:warehouse@prod"),
        ("tool", "tool:warehouse.query@prod"),
        ("session", "session:namespaces/data/agents/a/s-1@prod"),
        ("everything", "everything@prod"),
    ],
)
def test_whom_a_limit_counts(per: str, key: str) -> None:
    assert keys(policy(f"{{rate: 5/1m, per: {per}}}"), tool="warehouse.query", session="s-1") == [key]


def test_everybody_behind_a_call_is_counted() -> None:
    limit = policy("{rate: 5/1m, per: agent}")
    assert keys(limit, parties=Parties([A, B])) == [f"agent:{A.name}@prod", f"agent:{B.name}@prod"]


def test_one_call_counts_once_for_a_key_however_many_stand_behind_it() -> None:
    limits = policy("{name: n, rate: 5/1m, per: namespace}", "{name: o, rate: 5/1m, per: origin}")
    assert keys(limits, parties=Parties([A, B])) == ["namespace:data@prod", f"origin:{A.name}@prod"]


def test_only_agents_that_a_policy_governs_are_counted() -> None:
    limit = policy("{rate: 5/1m, per: agent}", governs="{agents: ['ns/data/agents/a']}")
    assert keys(limit, parties=Parties([A, B])) == [f"agent:{A.name}@prod"]
    assert keys(limit, parties=Parties([B])) == []


def test_the_side_that_is_called_counts_who_calls() -> None:
    limit = policy("{rate: 5/1m, per: agent}", governs="{agents: ['ns/sales/agents/c'], side: callee}")
    assert keys(limit, parties=Parties([A, B], target=C)) == [f"agent:{B.name}@prod"]
    assert keys(limit, parties=Parties([A, B])) == []


def test_a_policy_without_a_side_counts_nobody_twice() -> None:
    assert keys(policy("{rate: 5/1m, per: agent}"), parties=Parties([A], target=C)) == [f"agent:{A.name}@prod"]


def test_without_anybody_called_the_side_that_asks_decides() -> None:
    limit = policy("{rate: 5/1m, per: agent}", governs="{side: callee}")
    assert keys(limit) == []
    assert keys(limit, side=Side.CALLEE) == [f"agent:{A.name}@prod"]


def test_what_a_limit_does_not_match_is_not_counted() -> None:
    limit = policy("{rate: 5/1m, per: agent, match: {actions: ['write_*'], tools: ['warehouse.*']}}")
    assert keys(limit) == []
    assert keys(limit, action="write_table") == []
    assert keys(limit, action="write_table", tool="warehouse.query") == [f"agent:{A.name}@prod"]


def test_environments_do_not_share_a_key() -> None:
    limit = policy("{rate: 5/1m, per: everything}")
    assert keys(limit, environment="dev") == ["everything@dev"]


def test_agents_without_a_team_count_together() -> None:
    assert keys(policy("{rate: 5/1m, per: team}"), parties=Parties([B])) == ["team:@prod"]


def test_a_budget_counts_what_the_call_says_it_uses() -> None:
    limit = policy("{budget: {requests: 9, tokens: 100, usd: 2}, window: 1d, per: agent}")
    amounts = {one.meter.limit.unit: one.amount for one in counted(limit, usage=Usage(tokens=7, cost_micros=500))}
    assert amounts == {LimitUnit.REQUESTS: 1, LimitUnit.TOKENS: 7, LimitUnit.COST_MICROS: 500}


def test_what_a_token_may_spend_is_counted_for_the_token() -> None:
    spent = allowance_charges([Allowance("token:t-1", 5, 900, EPOCH)], ask(usage=Usage(cost_micros=40)), Parties([A]))
    assert [(one.meter.key, one.meter.limit.maximum, one.amount) for one in spent] == [
        ("token:t-1@prod", 5, 1),
        ("token:t-1@prod", 900, 40),
    ]
    assert allowance_charges([Allowance("token:t-1", 0, 0, EPOCH)], ask(), Parties([A])) == []


def test_the_rate_of_a_ring_is_the_acting_agents() -> None:
    charge = ring_charge(3, Parties([A, B]), "prod")
    assert (charge.meter.id, charge.meter.key) == ("ring/3", f"agent:{B.name}@prod")
    assert (charge.meter.limit.maximum, charge.meter.limit.burst) == (5, 10)
