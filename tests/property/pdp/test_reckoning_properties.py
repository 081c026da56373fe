"""What comes after a decision only ever lowers it: limits and people grant nothing that the policy does not."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import Millis
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.model import Effect, Usage
from support.pdp.desk import Desk
from support.pdp.world import ask

RULES = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*"]}, effect: ALLOW}
    - name: write
      match: {actions: ["write_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 1, approvers: ["group:oncall"], timeout: 30m}
"""
PERS = ("agent", "namespace", "team", "tool", "session", "everything", "origin")

limits = st.lists(
    st.one_of(
        st.builds(lambda n, per: f"{{rate: {n}/1m, per: {per}}}", st.integers(1, 4), st.sampled_from(PERS)),
        st.builds(
            lambda n, per: f"{{budget: {{tokens: {n}}}, window: 1h, per: {per}}}",
            st.integers(1, 30),
            st.sampled_from(PERS),
        ),
    ),
    max_size=3,
    unique_by=lambda text: (text.partition(":")[0], text.rpartition(":")[2]),
)
calls = st.lists(
    st.tuples(
        st.sampled_from(["read_table", "write_table", "delete_table"]),
        st.sampled_from([None, "s-1", "s-2"]),
        st.integers(0, 20),
        st.integers(0, 90_000),
    ),
    max_size=12,
)


def policy(found: list[str]) -> str:
    return RULES + ("  limits:\n" + "".join(f"    - {text}\n" for text in found) if found else "")


async def effects(found: list[str], asked: list[tuple[str, str | None, int, int]]) -> list[Effect]:
    desk = Desk()
    desk.let_decide(policy(found))
    desk.people.says = Said(None, "nobody is there")
    given_ = []
    for action, session, tokens, later in asked:
        desk.clock.advance(Millis(later))
        answer = await desk.ask(ask(action=action, session=session, usage=Usage(tokens=tokens)))
        given_.append(answer.decision.effect)
    return given_


@settings(max_examples=40, deadline=None)
@given(found=limits, asked=calls)
def test_a_limit_never_grants(found: list[str], asked: list[tuple[str, str | None, int, int]]) -> None:
    with_limits, without = (asyncio.run(effects(these, asked)) for these in (found, []))
    assert all(lower <= upper for lower, upper in zip(with_limits, without, strict=True))


@settings(max_examples=40, deadline=None)
@given(found=limits, asked=calls, dropped=st.integers(0, 2))
def test_taking_a_limit_away_lets_at_least_as_many_calls_through(
    found: list[str], asked: list[tuple[str, str | None, int, int]], dropped: int
) -> None:
    fewer = [text for place, text in enumerate(found) if place != dropped]
    first_denied = next(
        (place for place, effect in enumerate(asyncio.run(effects(fewer, asked))) if effect is Effect.DENY), len(asked)
    )
    # Up to there both have let through the same calls, so neither has counted anything else.
    more = asyncio.run(effects(found, asked))[:first_denied]
    fewer_effects = asyncio.run(effects(fewer, asked))[:first_denied]
    assert all(lower <= upper for lower, upper in zip(more, fewer_effects, strict=True))
