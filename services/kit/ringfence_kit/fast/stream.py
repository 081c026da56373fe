"""What is known of one call on the wire: the messages that arrive of it, and whoever takes them.

The rules:

- messages are handed on as they become whole; most are one piece that is one message, for which nothing is kept;
- the first thing that is wrong with them is told, once, and what still arrives is of no use to anybody.
"""

from typing import Protocol

from ringfence_kit.errors import Failure
from ringfence_kit.fast.heads import Head
from ringfence_kit.fast.messages import MessageReader, only_message


class Inlet(Protocol):
    """Takes what arrives of one call."""

    backlog: int
    """Bytes of messages that wait to be read."""

    def message(self, message: bytes) -> None:
        """Take a message."""
        ...

    def fault(self, failure: Failure) -> None:
        """Take it that nothing more can be read, and why."""
        ...

    def half_closed(self) -> None:
        """Take it that no more messages come."""
        ...

    def gone(self) -> None:
        """Take it that the caller has left: nothing is to be answered any more."""
        ...


class Stream:
    """One call on the wire."""

    # Most calls never change these: of a class they cost nothing to make.
    reader: MessageReader | None = None
    """Made for the first piece that is not one whole message."""
    held = 0
    """Bytes that are not acknowledged yet."""
    taken = True
    """Whether what arrives is still of use to somebody."""
    ended = False
    """Whether the other side has said all it says."""
    responded = False

    def __init__(self, inlet: Inlet, head: Head) -> None:
        self.inlet = inlet
        self.head = head

    @property
    def unfinished(self) -> int:
        """How many bytes are here of a message that is not."""
        return 0 if self.reader is None else self.reader.unfinished

    def take_whole(self, data: bytes, max_bytes: int) -> bool:
        """Take a piece that is one whole message; do nothing, and say so, when it is not."""
        message = only_message(data, max_bytes) if self.reader is None else None
        if message is None:
            return False
        self.inlet.message(message)
        return True

    def take_piece(self, data: bytes, max_bytes: int) -> None:
        """Take a piece of whatever it is."""
        reader = self.reader
        if reader is None:
            method = self.head.path[1:].decode("utf-8", "replace")
            reader = self.reader = MessageReader(method=method, encoding=self.head.encoding, max_bytes=max_bytes)
        try:
            for message in reader.read(data):
                self.inlet.message(message)
        except Failure as failure:
            self.fault(failure)

    def fault(self, failure: Failure) -> None:
        """Take nothing any more, keep nothing of what came, and tell why."""
        self.taken, self.reader = False, None
        self.inlet.fault(failure)

    def end(self) -> None:
        """Take it that the other side has said all it says."""
        self.ended = True
        if not self.taken:
            return
        if self.reader is not None:
            try:
                self.reader.end()
            except Failure as failure:
                self.inlet.fault(failure)
                return
        self.inlet.half_closed()
