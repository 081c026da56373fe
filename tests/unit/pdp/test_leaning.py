"""Which way conditions lean: towards granting what is left out, or granting the less trusted."""

import pytest
from ringfence_pdp.cel.leaning import Cause, Direction
from support.pdp.conditions import compiled


def leans(source: str) -> set[str]:
    signs = {Direction.RISES: "+", Direction.FALLS: "-"}
    names = {Cause.ABSENCE: "absence", Cause.DISTRUST: "distrust"}
    return {signs[leaning.direction] + names[leaning.cause] for leaning in compiled(source).leanings}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("args.rows > 5", set()),
        ("args.x == 'a' || labels.team == 'b'", set()),
        ("args.xs.exists(x, x > 5)", set()),
        ("has(args.x)", {"-absence"}),
        ("!has(args.x)", {"+absence"}),
        ("!!has(args.x)", {"-absence"}),
        ("!has(args.x) || args.x == false", {"+absence"}),
        ("!(has(args.x) && agent.busy)", {"+absence"}),
        ("has(args.x) == true", {"+absence", "-absence"}),
        ("has(args.x) ? agent.busy : true", {"+absence", "-absence"}),
        ("agent.busy ? has(args.x) : true", {"-absence"}),
        ("'team' in labels", {"-absence"}),
        ("labels.exists(k, k == 'team')", {"-absence"}),
        ("labels.all(k, k != 'team')", {"+absence"}),
        ("labels.exists_one(k, k != 'team')", {"+absence", "-absence"}),
        ("labels.filter(k, k != 'team') == []", {"+absence", "-absence"}),
        ("args.xs.all(x, has(x.name))", {"-absence"}),
        ("args.xs.filter(x, has(x.name)) == []", {"+absence", "-absence"}),
        ("size(labels) > 2", {"+absence", "-absence"}),
        ("size(agent.tools) > 2 && args.xs.size() < 5", set()),
        ("args.a == args.b", {"+absence", "-absence"}),
        ("args.a == {'b': 1}", {"+absence", "-absence"}),
        ("args.a in args.bs", {"+absence", "-absence"}),
        ("args.a in ['b']", set()),
        ("args.a == 'b'", set()),
        ("agent.ring <= 2", {"-distrust"}),
        ("agent.ring < 2", {"-distrust"}),
        ("2 >= agent.ring", {"-distrust"}),
        ("agent.ring > 2", {"+distrust"}),
        ("!(agent.ring > 2)", {"-distrust"}),
        ("agent.ring == 2", {"+distrust", "-distrust"}),
        ("agent.ring in [0, 1]", {"+distrust", "-distrust"}),
        ("agent.ring + 1 <= 2", {"+distrust", "-distrust"}),
        ("agent.ring <= agent.trust", {"+distrust", "-distrust"}),
        ("agent.trust >= 700", {"-distrust"}),
        ("agent.trust < 700", {"+distrust"}),
        ("700 > agent.trust", {"+distrust"}),
        ("agent.ring <= size(labels)", {"-distrust", "+absence", "-absence"}),
        ("agent.ring <= 2 && args.rows > 5 && agent.name == 'x'", {"-distrust"}),
    ],
)
def test_leans(source: str, expected: set[str]) -> None:
    assert leans(source) == expected


def test_says_where() -> None:
    (leaning,) = compiled("agent.busy || !has(args.force)").leanings
    assert (leaning.node.at.position.line, leaning.node.at.position.column) == (1, 16)
