"""A service that answers what a test laid out for it: for methods whose answers no command computes with."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from support.launcher.refusals import Saw, until_cancelled


class ScriptedService:
    """Every method of one service that the class itself does not have."""

    def __init__(self, saw: Saw, service: ServiceDescriptor) -> None:
        self._saw = saw
        self.answers: dict[str, Message | Sequence[Message]] = {}
        """Method → its answer, or those of a stream; what is not here is answered empty."""
        for method in service.methods:
            if not hasattr(self, method.name):
                streams = bool(method.server_streaming)
                setattr(self, method.name, self._handler(method.name, GetMessageClass(method.output_type), streams))

    def _handler(self, name: str, answer: type[Message], streams: bool) -> Callable[..., Any]:
        def one(request: Any, context: Any) -> Message:
            self._saw(request, context)
            laid_out = self.answers.get(name, answer())
            assert isinstance(laid_out, Message)
            return laid_out

        def many(request: Any, context: Any) -> Iterator[Message]:
            self._saw(request, context)
            laid_out = self.answers.get(name, ())
            assert not isinstance(laid_out, Message)
            yield from laid_out
            if name.startswith("Watch"):
                until_cancelled(context)

        return many if streams else one
