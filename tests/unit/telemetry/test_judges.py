"""Who may judge whom, under all the names one can go by."""

import pytest
from ringfence_telemetry.evaluation.judges import why_not
from ringfence_telemetry.reporters import Reporter

OWN = "did:webvh:zOwn:agents.example:agents:zOwn"
ALIAS = "did:web:agents.example:agents:zOwn"
OTHER = "did:webvh:zOther:agents.example:agents:zOther"
ELSEWHERE = "did:webvh:zElse:dev.agents.example:agents:zElse"
NAME, OTHER_NAME = "namespaces/shop/agents/own", "namespaces/shop/agents/other"

AGENT = Reporter(principal=OWN, agents=(OWN,))
BY_NAMES = Reporter(principal="test:gate", agents=(NAME,))
BY_BOTH = Reporter(principal="test:gate", agents=(OWN, NAME))
UNBOUND = Reporter(principal="test:gate")
SERVICE = Reporter(principal="spiffe://mesh/suite", speaks_for_all=True)
NAMELESS = Reporter(principal="spiffe://mesh/agent", agents=("spiffe://mesh/agent",))


@pytest.mark.parametrize(
    ("reporter", "agent"),
    [
        (SERVICE, OWN),
        (SERVICE, NAME),
        (UNBOUND, OWN),
        (AGENT, OTHER),
        (AGENT, "did:web:agents.example:agents:zOther"),
        (BY_NAMES, OTHER_NAME),
        (BY_BOTH, OTHER),
        (BY_BOTH, OTHER_NAME),
    ],
)
def test_others_may_be_judged(reporter: Reporter, agent: str) -> None:
    assert why_not(reporter, agent) == ""


@pytest.mark.parametrize(
    ("reporter", "agent"),
    [
        (AGENT, OWN),
        (AGENT, ALIAS),
        (AGENT, ALIAS.replace("agents.example", "Agents.Example")),
        (BY_NAMES, NAME),
        (BY_BOTH, ALIAS),
    ],
)
def test_nobody_judges_itself(reporter: Reporter, agent: str) -> None:
    assert why_not(reporter, agent) == "another party's judgement"


@pytest.mark.parametrize(
    ("reporter", "agent"),
    [
        (AGENT, ELSEWHERE),
        (AGENT, NAME),
        (AGENT, OTHER_NAME),
        (AGENT, "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"),
        (AGENT, "did:web:agents.example"),
        (BY_NAMES, OTHER),
        (NAMELESS, OTHER_NAME),
        (NAMELESS, OTHER),
        (NAMELESS, "spiffe://mesh/other"),
    ],
)
def test_what_could_be_itself_is_not_judged(reporter: Reporter, agent: str) -> None:
    assert "another name of yours" in why_not(reporter, agent)
