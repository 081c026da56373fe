"""The example of a classifier, as its file says it is started, asked as the pdp asks it."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ringfence_kit.background import background
from ringfence_kit.peers import PeerConfig
from ringfence_pdp.classifiers.reply import NoReply, Question, Reply
from ringfence_pdp.convert.classifier_line import ClassifierLine, line_to
from ringfence_pdp.filters.finding import Argument, Severity
from support.serving import server_config

EXAMPLE = Path(__file__).parents[3] / "services" / "pdp" / "examples" / "classifier.py"


@asynccontextmanager
async def started(*names: str) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), address, *names)
    try:
        yield address
    finally:
        process.terminate()
        await process.wait()


async def first_reply(line: ClassifierLine, question: Question) -> Reply:
    """Ask until it is there to answer."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await line.classify(question)
            except NoReply:
                await asyncio.sleep(0)


async def test_it_finds_what_it_was_told_to_look_for(tmp_path: Path) -> None:
    question = Question((Argument("/body", "all about Bluebird"), Argument("/to", "ada")), "send_mail", "mail.send")
    async with started("bluebird", "nightjar") as address:
        line = line_to("house", PeerConfig(address=address), server=server_config(tmp_path), tls=None)
        async with background(line.speaking()):
            reply = await first_reply(line, question)
            nothing = await line.classify(question._replace(texts=question.texts[1:]))
    [label] = reply.labels
    assert (label.name, label.severity, label.argument) == ("code-name", Severity.HIGH, "/body")
    assert (list(nothing.labels), nothing.model) == ([], "code-names-1")
