"""The stream to a classifier: a real one over gRPC, that answers, breaks, says nonsense, or is not who it should be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from ringfence.pdp.v1 import classifier_pb2 as pb
from ringfence.pdp.v1 import filter_pb2 as filters
from ringfence_kit.background import background
from ringfence_kit.dev_tokens import open_dev_tokens
from ringfence_kit.peers import PeerConfig
from ringfence_kit.tls import TlsConfig
from ringfence_pdp.classifiers.reply import Cause, Label, NoReply, Question
from ringfence_pdp.convert.classifier import reply_of
from ringfence_pdp.convert.classifier_line import WAITING_MAX, ClassifierInClear, ClassifierLine, line_to
from ringfence_pdp.filters.finding import Argument, ArgumentType, Origin, Severity
from support.certificates import Authority
from support.filters.classifiers import ScriptedClassifier, label, nothing, served_classifier
from support.serving import server_config

MAIL = Question(
    (
        Argument("/body", "the figures", origin=Origin.TOOL_OUTPUT),
        Argument("/to", "eve@example.com", ArgumentType.IDENTIFIER),
    ),
    "send_mail",
    "mail.send",
)


@pytest.fixture
def guard() -> ScriptedClassifier:
    return ScriptedClassifier()


@asynccontextmanager
async def line(
    tmp_path: Path, address: str, *, tls: TlsConfig | None = None, **peer: Any
) -> AsyncIterator[ClassifierLine]:
    made = line_to("guard", PeerConfig(address=address, **peer), server=server_config(tmp_path), tls=tls)
    async with background(made.speaking()):
        yield made


async def no_reply(line: ClassifierLine, question: Question = MAIL) -> NoReply:
    with pytest.raises(NoReply) as refused:
        await line.classify(question)
    return refused.value


async def test_what_is_sent_and_what_comes_back(tmp_path: Path, guard: ScriptedClassifier) -> None:
    guard.says = label(argument="/body", message="figures leave")
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        reply = await to_guard.classify(MAIL)
    assert reply == ([Label("exfiltration", Severity.HIGH, "/body", "figures leave")], "example-guard-1")
    [asked] = guard.asked
    assert (asked.action, asked.tool) == ("send_mail", "mail.send")
    assert asked.texts[0] == pb.ClassifiedText(
        argument="/body",
        type=filters.ARGUMENT_TYPE_FREE_TEXT,
        text="the figures",
        origin=filters.ORIGIN_TOOL_OUTPUT,
    )


async def test_many_questions_share_one_stream(tmp_path: Path, guard: ScriptedClassifier) -> None:
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        await asyncio.gather(*(to_guard.classify(MAIL._replace(tool=f"tool-{n}")) for n in range(50)))
    assert guard.streams == 1
    assert len({asked.id for asked in guard.asked}) == 50


async def test_answers_are_told_apart_by_their_ids_and_not_by_their_order(
    tmp_path: Path, guard: ScriptedClassifier
) -> None:
    held: list[pb.ClassifyRequest] = []

    def swapped(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
        # The first question is answered with the second, and the second with the first.
        held.append(request)
        other = {1: 2, 2: 1}[request.id]
        return pb.ClassifyResponse(id=other, model=f"for {other}")

    guard.says = swapped
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        one, two = await asyncio.gather(to_guard.classify(MAIL), to_guard.classify(MAIL))
    assert (one.model, two.model) == ("for 1", "for 2")


async def test_whoever_waits_is_told_when_the_stream_breaks_and_the_next_question_opens_another(
    tmp_path: Path, guard: ScriptedClassifier
) -> None:
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        guard.hangs_up = True
        broken = await no_reply(to_guard)
        assert (broken.cause, str(broken)) == (Cause.AWAY, "it answered UNAVAILABLE: it goes home")
        guard.hangs_up = False
        for _ in range(3):
            await to_guard.classify(MAIL)
    assert guard.streams == 2


async def test_a_classifier_that_is_not_there(tmp_path: Path) -> None:
    async with line(tmp_path, "127.0.0.1:9") as to_guard:
        assert (await no_reply(to_guard)).cause is Cause.AWAY
        assert (await no_reply(to_guard)).cause is Cause.AWAY


async def test_a_question_nobody_waits_for_any_more_is_not_sent(tmp_path: Path, guard: ScriptedClassifier) -> None:
    async with served_classifier(guard) as address:
        made = line_to("guard", PeerConfig(address=address), server=server_config(tmp_path), tls=None)
        asking = asyncio.ensure_future(made.classify(MAIL))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        async with background(made.speaking()):
            await made.classify(MAIL._replace(tool="mail.draft"))
    assert [asked.tool for asked in guard.asked] == ["mail.draft"]


async def test_a_late_answer_is_passed_over(tmp_path: Path, guard: ScriptedClassifier) -> None:
    guard.answers.clear()
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        late = asyncio.ensure_future(to_guard.classify(MAIL))
        await guard.heard.wait()
        late.cancel()
        await asyncio.wait([late])
        guard.answers.set()
        assert (await to_guard.classify(MAIL)).model == "example-guard-1"
    assert guard.streams == 1


@pytest.mark.parametrize("number", [0, 99])
async def test_an_answer_to_what_nobody_asked_ends_the_stream(
    tmp_path: Path, guard: ScriptedClassifier, number: int
) -> None:
    guard.says = lambda _: pb.ClassifyResponse(id=number)
    async with served_classifier(guard) as address, line(tmp_path, address) as to_guard:
        assert (await no_reply(to_guard)).cause is Cause.NONSENSE
        guard.says = nothing
        await to_guard.classify(MAIL)
    assert guard.streams == 2


async def test_more_than_can_wait_are_refused_at_once(tmp_path: Path, guard: ScriptedClassifier) -> None:
    made = line_to("guard", PeerConfig(address="127.0.0.1:9"), server=server_config(tmp_path), tls=None)
    waiting = [asyncio.ensure_future(made.classify(MAIL)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    assert (await no_reply(made)).cause is Cause.BUSY
    for one in waiting:
        one.cancel()


NONSENSE: dict[str, dict[str, Any]] = {
    "no name": {"labels": [pb.Label(severity=filters.SEVERITY_LOW)]},
    "a name of another shape": {"labels": [pb.Label(name="Exfiltration!", severity=filters.SEVERITY_LOW)]},
    "no severity": {"labels": [pb.Label(name="spam")]},
    "a severity there is not": {"labels": [pb.Label(name="spam", severity=filters.Severity.ValueType(9))]},
    "a text that was not sent": {"labels": [pb.Label(name="spam", severity=filters.SEVERITY_LOW, argument="/cc")]},
    "a message that moves the cursor": {
        "labels": [pb.Label(name="spam", severity=filters.SEVERITY_LOW, message="\x1b[2J")]
    },
    "a message without end": {"labels": [pb.Label(name="spam", severity=filters.SEVERITY_LOW, message="x" * 501)]},
    "too many labels": {"labels": [pb.Label(name="spam", severity=filters.SEVERITY_LOW)] * 17},
    "a model without end": {"model": "x" * 201},
}


@pytest.mark.parametrize("fields", NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_no_reply(fields: dict[str, Any]) -> None:
    with pytest.raises(NoReply, match="makes no sense") as refused:
        reply_of(pb.ClassifyResponse(id=1, **fields), MAIL)
    assert refused.value.cause is Cause.NONSENSE


class TestWhoItIs:
    """The classifier is known by its certificate, and we by ours."""

    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    def own(self, tmp_path: Path, authority: Authority) -> TlsConfig:
        return authority.issue(uris=["spiffe://mesh.example.com/pdp"]).write(tmp_path, "pdp", client_ca=authority)

    def credentials(self, authority: Authority, *, dns: str, clients: Authority) -> grpc.ServerCredentials:
        pair = authority.issue(dns=[dns])
        return grpc.ssl_server_credentials(
            [(pair.key, pair.certificate)], clients.certificate, require_client_auth=True
        )

    async def test_the_name_in_its_certificate_is_checked_and_recorded(
        self, tmp_path: Path, guard: ScriptedClassifier, authority: Authority
    ) -> None:
        credentials = self.credentials(authority, dns="guard.example.com", clients=authority)
        own = self.own(tmp_path, authority)
        async with (
            served_classifier(guard, credentials) as address,
            line(tmp_path, address, tls=own, server_name="guard.example.com") as to_guard,
            line(tmp_path, address, tls=own, server_name="other.example.com") as to_other,
        ):
            await to_guard.classify(MAIL)
            assert to_guard.peer == "guard.example.com"
            assert (await no_reply(to_other)).cause is Cause.AWAY
        assert len(guard.asked) == 1

    async def test_a_certificate_of_somebody_else_is_not_believed(
        self, tmp_path: Path, guard: ScriptedClassifier, authority: Authority
    ) -> None:
        credentials = self.credentials(Authority("others"), dns="guard.example.com", clients=authority)
        own = self.own(tmp_path, authority)
        async with (
            served_classifier(guard, credentials) as address,
            line(tmp_path, address, tls=own, server_name="guard.example.com") as to_guard,
        ):
            assert (await no_reply(to_guard)).cause is Cause.AWAY
        assert guard.asked == []

    async def test_another_machine_is_not_spoken_to_in_clear(self, tmp_path: Path) -> None:
        peer = PeerConfig(address="guard.example.com:7500")
        with pytest.raises(ClassifierInClear, match=r"guard\.example\.com:7500.*ca_file"):
            line_to("guard", peer, server=server_config(tmp_path), tls=None)

    async def test_it_is_shown_its_own_token_and_never_the_meshs(
        self, tmp_path: Path, guard: ScriptedClassifier
    ) -> None:
        open_dev_tokens(tmp_path)
        token = tmp_path / "guard.token"
        token.write_text("guards-own-token\n")
        async with (
            served_classifier(guard) as address,
            line(tmp_path, address) as without,
            line(tmp_path, address, token_file=token) as with_token,
            line(tmp_path, address, token_file=tmp_path / "none") as with_a_missing_one,
        ):
            await without.classify(MAIL)
            await with_token.classify(MAIL)
            assert (await no_reply(with_a_missing_one)).cause is Cause.AWAY
        assert [shown.get("authorization") for shown in guard.metadata] == [None, "Bearer guards-own-token"]
