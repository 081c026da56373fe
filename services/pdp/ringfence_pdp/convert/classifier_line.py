"""The stream to a classifier: one for all questions, opened when there is one to ask, and again after it broke.

The rules:

- the classifier is known by its certificate: TLS checks the name that is configured, and that name is recorded with
  what it finds. Without TLS only this machine is spoken to;
- it is no service of the mesh, so it is shown our certificate or a token of its own, and never the mesh's;
- answers are told apart by the id of their question; a late one is passed over, one that nobody asked for ends the
  stream;
- when the stream breaks, whoever waits is told at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import grpc.aio
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import ChannelError, bearer, is_loopback, token_file
from ringfence.pdp.v1 import classifier_pb2 as pb
from ringfence.pdp.v1.classifier_pb2_grpc import IntentClassifierServiceStub
from ringfence_kit.peers import PeerConfig, options_for
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.tls import TlsConfig

from ringfence_pdp.classifiers.reply import Cause, NoReply, Question, Reply
from ringfence_pdp.convert.classifier import classify_request, reply_of

if TYPE_CHECKING:
    from ringfence.pdp.v1.classifier_pb2_grpc import IntentClassifierServiceAsyncStub

WAITING_MAX = 1_000
"""Questions under way at a time; more would only wait for each other."""

LOOPBACK = "loopback"


class ClassifierInClear(StartRefused):
    """What agents pass on would cross a network that others can read, to somebody nobody checked."""

    def __init__(self, *, name: str, address: str) -> None:
        super().__init__(
            f"classifier {name!r} is at {address}, which is not this machine, and there is no TLS to it; set ca_file "
            "(and server_name) of its [[pdp.classifiers]], or configure [server.tls]"
        )


class ClassifierLine:
    """Speaks to one classifier while `speaking` runs."""

    def __init__(self, open_channel: Callable[[], grpc.aio.Channel], *, peer: str, token: Callable[[], str] | None):
        self._open_channel = open_channel
        self._peer = peer
        self._token = token
        self._to_ask: asyncio.Queue[pb.ClassifyRequest | None] = asyncio.Queue()
        self._waiting: dict[int, asyncio.Future[pb.ClassifyResponse]] = {}
        self._last = 0

    @property
    def peer(self) -> str:
        """By which name its certificate is known."""
        return self._peer

    async def classify(self, question: Question) -> Reply:
        """Return the reply, however long it takes. Raises NoReply."""
        if len(self._waiting) >= WAITING_MAX:
            raise NoReply(Cause.BUSY, f"{WAITING_MAX} questions wait for it already")
        self._last += 1
        number = self._last
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._to_ask.put_nowait(classify_request(question, number))
        try:
            return reply_of(await answer, question)
        finally:
            del self._waiting[number]

    async def speaking(self) -> None:
        """Keep a stream while there are questions; ends when it is cancelled."""
        while True:
            to_ask = self._to_ask
            question = await to_ask.get()
            if question is None or question.id not in self._waiting:
                continue
            broken = await self._until_it_breaks(question, to_ask)
            # gRPC may still read from this queue: it must find its end there, and no question for the next stream.
            self._to_ask = asyncio.Queue()
            to_ask.put_nowait(None)
            self._tell_all(broken)

    async def _until_it_breaks(
        self, question: pb.ClassifyRequest, to_ask: asyncio.Queue[pb.ClassifyRequest | None]
    ) -> NoReply:
        """Ask over a new stream until it ends, and return why it did."""
        try:
            async with self._open_channel() as channel:
                return await self._stream(channel, self._asked(question, to_ask))
        except NoReply as nonsense:
            return nonsense
        except grpc.aio.AioRpcError as error:
            return NoReply(Cause.AWAY, f"it answered {error.code().name}: {error.details() or 'no details'}")
        except (ChannelError, OSError) as error:
            return NoReply(Cause.AWAY, f"it cannot be reached as configured: {error}")

    async def _stream(self, channel: grpc.aio.Channel, asked: AsyncIterator[pb.ClassifyRequest]) -> NoReply:
        stub: IntentClassifierServiceAsyncStub = IntentClassifierServiceStub(channel)
        metadata = (("authorization", bearer(self._token())),) if self._token is not None else ()
        call = stub.Classify(asked, metadata=metadata)
        try:
            async for response in call:
                self._take(response)
        finally:
            call.cancel()
        return NoReply(Cause.AWAY, "it ended the stream")

    async def _asked(
        self, question: pb.ClassifyRequest | None, to_ask: asyncio.Queue[pb.ClassifyRequest | None]
    ) -> AsyncIterator[pb.ClassifyRequest]:
        while question is not None:
            if question.id in self._waiting:
                yield question
            question = await to_ask.get()

    def _take(self, response: pb.ClassifyResponse) -> None:
        if not 0 < response.id <= self._last:
            raise NoReply(Cause.NONSENSE, "it answered what nobody asked")
        waiting = self._waiting.get(response.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(response)

    def _tell_all(self, why: NoReply) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NoReply(why.cause, str(why)))


def line_to(name: str, peer: PeerConfig, *, server: ServerConfig, tls: TlsConfig | None) -> ClassifierLine:
    """Return the way to a classifier; nothing is opened yet. `tls` is our own certificate. Raises ClassifierInClear."""
    shown = options_for(peer, server=server, tls=tls).tls
    if shown is None and not is_loopback(peer.address):
        raise ClassifierInClear(name=name, address=peer.address)
    known_as = LOOPBACK if shown is None else peer.server_name or peer.address.rpartition(":")[0]
    # The token of development mode is left out: it opens this mesh, and a classifier is somebody else.
    token = token_file(peer.token_file) if peer.token_file is not None else None

    def open_channel() -> grpc.aio.Channel:
        return open_aio_channel(peer.address, ChannelOptions(tls=shown))

    return ClassifierLine(open_channel, peer=known_as, token=token)
