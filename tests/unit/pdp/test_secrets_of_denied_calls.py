"""Attacks on the log: what nobody looked through, because the call was denied before, keeps its secrets to itself."""

import json
import time
from typing import Any

import pytest
from ringfence_pdp.asked_document import asked_document
from ringfence_pdp.decision_document import input_digest, keyed_digest
from ringfence_pdp.masks import NO_MASKS
from ringfence_pdp.model import Reason, Resource
from ringfence_pdp.secrets_out import TEXTS_MAX, may_hold
from support.pdp.desk import Desk
from support.pdp.world import ask

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
PASSWORD = "correct horse"


async def logged(**asked: Any) -> dict[str, Any]:
    """Return the log of a denial no filter had a say in; asked three times, since routines are written another way."""
    desk = Desk()
    for _ in range(3):
        answer = desk.check(ask("delete_table", **asked))
        assert answer.decision.reason is Reason.NO_MATCH
    documents = [json.loads(body) for _, body in desk.tray.items]
    assert len({json.dumps([one["input"], one.get("left_out")]) for one in documents}) == 1
    document: dict[str, Any] = documents[0]
    return document


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        ({"body": f"push with {TOKEN} please"}, ["arguments.body"]),
        ({"body": {"deep": [1, TOKEN]}}, ["arguments.body.deep.1"]),
        ({"url": f"https://bot:{PASSWORD.replace(' ', '')}@example.com/x"}, ["arguments.url"]),
        ({TOKEN: "x"}, ["arguments"]),
        # What is named like a secret is one, whatever it looks like.
        ({"db_password": PASSWORD}, ["arguments.db_password"]),
        ({"smtpPassword": PASSWORD}, ["arguments.smtpPassword"]),
        ({"x-api-key": PASSWORD}, ["arguments.x-api-key"]),
        ({"aws": {"secret_access_key": [PASSWORD]}}, ["arguments.aws.secret_access_key.0"]),
        ({"cvv": 123.0}, ["arguments.cvv"]),
        ({"login": {"PIN": 4711.0}}, ["arguments.login.PIN"]),
        # As settings and environments are written.
        ({"env": [{"name": "DB_PASSWORD", "value": PASSWORD}]}, ["arguments.env.0.value"]),
        ({"env": [{"value": PASSWORD, "Key": "session_key"}]}, ["arguments.env.0.value"]),
        # As a command line is handed over.
        ({"argv": ["mysql", "--password", PASSWORD]}, ["arguments.argv.2"]),
        ({"argv": ["curl", "-u", "bob:hunter2"]}, ["arguments.argv.2"]),
    ],
)
async def test_a_denied_call_leaves_no_secret_in_the_log(arguments: dict[str, Any], left_out: list[str]) -> None:
    document = await logged(arguments=arguments)
    for secret in (TOKEN, PASSWORD, PASSWORD.replace(" ", ""), "hunter2", "123", "4711"):
        assert secret not in json.dumps(document["input"])
    assert document["left_out"] == left_out


async def test_nor_in_what_a_gateway_says_around_it() -> None:
    document = await logged(context={"gateway": {"path": f"/reset/{TOKEN}", "content_digest": f"sha256-{'5a' * 32}"}})
    assert TOKEN not in json.dumps(document)
    assert document["left_out"] == ["context.gateway.path"]
    assert document["input"]["context"]["gateway"]["content_digest"] == f"sha256-{'5a' * 32}"


async def test_nor_in_the_resource() -> None:
    document = await logged(resource=Resource(type="uri", id=f"postgres://bob:{TOKEN}@db/x", labels={"note": TOKEN}))
    assert TOKEN not in json.dumps(document)
    assert document["left_out"] == ["labels.note", "resource.id"]


async def test_what_holds_no_secret_is_logged_as_it_was_sent() -> None:
    arguments = {
        "table": "orders",
        "max_tokens": 500.0,
        "is_secret": False,
        "why": "nobody needs it",
        "argv": ["ls", "-l"],
    }
    document = await logged(arguments=arguments, resource=Resource(type="table", id="orders"))
    assert document["input"]["arguments"] == arguments
    assert "left_out" not in document


async def test_what_is_too_much_to_look_through_is_left_out_as_a_whole() -> None:
    """Looking for secrets in six thousand texts held every other decision up for most of a second."""
    for arguments in (
        {f"k{number}": f"password={number}" for number in range(TEXTS_MAX)},
        {"rows": [[f"password={number}"] for number in range(TEXTS_MAX + 1)]},
    ):
        began = time.thread_time()
        document = await logged(arguments=arguments)
        assert time.thread_time() - began < 0.5
        assert document["left_out"] == ["arguments"]
        assert "arguments" not in document["input"]


def test_the_same_text_again_is_looked_through_once() -> None:
    left_out: list[str] = []
    asked = asked_document(ask(arguments={"rows": ["password=x"] * 6_000}), NO_MASKS, left_out, whole=True, secret=True)
    assert len(left_out) == 6_000
    assert set(asked["arguments"]["rows"]) == {"password=[masked]"}


async def test_what_is_left_out_cannot_be_tried_out_by_the_digest_of_the_question() -> None:
    """A PIN has ten thousand spellings, and all else of the question is in the log."""
    desk = Desk()
    for arguments in ({"pin": 4711.0}, {"table": "orders"}):
        desk.check(ask("delete_table", arguments=arguments))
    masked, whole = (json.loads(body) for _, body in desk.tray.items)
    assert masked["left_out"] == ["arguments.pin"]
    assert masked["input_digest"].startswith("hmac-sha256-")
    assert masked["input_digest"].removeprefix("hmac-") != input_digest(masked["decision_id"], b"asked")
    assert masked["input_digest"] == keyed_digest(bytes(32), masked["decision_id"], b"asked")
    assert whole["input_digest"] == input_digest(whole["decision_id"], b"asked")


def test_a_call_that_plainly_holds_none_is_not_looked_at_again() -> None:
    assert not may_hold(ask(arguments={"table": "orders", "rows": [{"id": 7.0, "city": "Lisbon"}]}))
    assert not may_hold(ask())
