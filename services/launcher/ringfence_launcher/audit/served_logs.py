"""The two logs of a mesh behind one role: telemetry's of decisions, identity's of mutations.

Both are served in the same form by different services; here is what differs. Nothing of it is believed: `log_reader.py`
verifies what comes from either.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import transparency_pb2
from ringfence.identity.v1.transparency_pb2_grpc import TransparencyServiceStub
from ringfence.proofs.merkle import Digest
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub

PAGE_SIZE = 1_000

HEADS_MAX = 64
"""Heads of the past an export asks for, so that it says where it was changed."""


class ServedEntry(Protocol):
    """An entry as a service sends it: a protobuf message of either log."""

    @property
    def index(self) -> int:
        """Its place."""
        ...

    @property
    def body(self) -> bytes:
        """What was hashed."""
        ...

    @property
    def leaf_hash(self) -> bytes:
        """What the service says it hashes to."""
        ...

    @property
    def append_time(self) -> Timestamp:
        """When it was appended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCheckpoint:
    """A checkpoint as a service sends it."""

    note: str
    verifier_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedWitness:
    """A witness as telemetry knows it."""

    verifier_key: str
    tree_size: int | None
    """Of the newest head it is said to stand behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedProof:
    """An inclusion proof as a service sends it."""

    index: int
    asked_index: int | None
    """None when it was asked for by another name."""
    hashes: tuple[Digest, ...]
    tree_size: int
    checkpoint: ServedCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPage:
    """A page of entries as a service sends it."""

    entries: Sequence[ServedEntry]
    next_page_token: str


class ServedLog(Protocol):
    """A log behind a channel."""

    @property
    def service(self) -> str:
        """Whose it is."""
        ...

    def checkpoint(self) -> ServedCheckpoint:
        """Return the newest checkpoint."""
        ...

    def prove(self, key: str) -> ServedProof:
        """Return a proof of the entry a person named."""
        ...

    def entry(self, index: int) -> ServedEntry:
        """Return an entry."""
        ...

    def page(self, token: str) -> ServedPage:
        """Return the next entries, in log order."""
        ...

    def consistency(self, first: int, second: int) -> list[Digest]:
        """Return the proof that one size goes on from another."""
        ...

    def earlier_heads(self, size: int) -> Iterator[ServedCheckpoint]:
        """Give heads of at most this many entries, those that most witnesses stand behind among them."""
        ...


class DecisionLog:
    """Telemetry's audit log."""

    service = "telemetry"

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = AuditServiceStub(channel)

    def checkpoint(self, *, at_most: int = 0) -> ServedCheckpoint:
        """Return the newest checkpoint, or the newest of at most so many entries."""
        request = audit_pb2.GetCheckpointRequest(at_most=at_most)
        return _checkpoint(self._stub.GetCheckpoint(request).checkpoint)

    def heads(self) -> Iterator[ServedCheckpoint]:
        """Give checkpoints as they are signed, for as long as the connection lasts. Raises RingfenceError."""
        for answer in self._stub.WatchCheckpoints(audit_pb2.WatchCheckpointsRequest()):
            yield _checkpoint(answer.checkpoint)

    def witnesses(self) -> list[ServedWitness]:
        """Return who telemetry says watches over the log."""
        listed = self._stub.ListWitnesses(audit_pb2.ListWitnessesRequest()).witnesses
        return [
            ServedWitness(
                verifier_key=each.verifier_key, tree_size=each.tree_size if each.HasField("tree_size") else None
            )
            for each in listed
        ]

    def earlier_heads(self, size: int) -> Iterator[ServedCheckpoint]:
        """See `ServedLog`."""
        step = max(1, size // HEADS_MAX)
        for at_most in range(step, size, step):
            yield self.checkpoint(at_most=at_most)
        cosigned = {each.tree_size for each in self.witnesses() if each.tree_size is not None}
        for at_most in sorted(each for each in cosigned if 0 < each <= size):
            yield self.checkpoint(at_most=at_most)

    def prove(self, key: str) -> ServedProof:
        """Prove a decision by its id, or an entry by its place."""
        request = audit_pb2.GetInclusionProofRequest()
        index = _place(key)
        if index is None:
            request.decision_id = key
        else:
            request.index = index
        return _proof(self._stub.GetInclusionProof(request), index)

    def entry(self, index: int) -> ServedEntry:
        """See `ServedLog`."""
        return self._stub.GetEntry(audit_pb2.GetEntryRequest(index=index)).entry

    def page(self, token: str) -> ServedPage:
        """See `ServedLog`."""
        page = self._stub.ListEntries(audit_pb2.ListEntriesRequest(page_size=PAGE_SIZE, page_token=token))
        return ServedPage(entries=page.entries, next_page_token=page.next_page_token)

    def consistency(self, first: int, second: int) -> list[Digest]:
        """See `ServedLog`."""
        request = audit_pb2.GetConsistencyProofRequest(first_tree_size=first, second_tree_size=second)
        return _digests(self._stub.GetConsistencyProof(request).hashes)


class MutationLog:
    """Identity's log of everything it did."""

    service = "identity"

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = TransparencyServiceStub(channel)

    def checkpoint(self) -> ServedCheckpoint:
        """See `ServedLog`."""
        return _checkpoint(self._stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest()).checkpoint)

    def prove(self, key: str) -> ServedProof:
        """Prove an entry by its place."""
        index = _place(key)
        if index is None:
            raise typer.BadParameter(f"{key!r}: an entry of identity's log is named by its place, 0, 1, 2 …")
        return _proof(self._stub.GetInclusionProof(transparency_pb2.GetInclusionProofRequest(index=index)), index)

    def entry(self, index: int) -> ServedEntry:
        """See `ServedLog`."""
        request = transparency_pb2.ListLogEntriesRequest(start_index=index, page_size=1)
        for entry in self._stub.ListLogEntries(request).entries:
            return entry
        return transparency_pb2.LogEntry()  # its body is not what was proven, and that is found

    def page(self, token: str) -> ServedPage:
        """See `ServedLog`."""
        return self.about("", token)

    def about(self, subject: str, token: str) -> ServedPage:
        """Return the next entries about something; about everything when `subject` is empty."""
        request = transparency_pb2.ListLogEntriesRequest(subject=subject, page_size=PAGE_SIZE, page_token=token)
        page = self._stub.ListLogEntries(request)
        return ServedPage(entries=page.entries, next_page_token=page.next_page_token)

    def consistency(self, first: int, second: int) -> list[Digest]:
        """See `ServedLog`."""
        request = transparency_pb2.GetConsistencyProofRequest(first_tree_size=first, second_tree_size=second)
        return _digests(self._stub.GetConsistencyProof(request).hashes)

    def earlier_heads(self, _size: int) -> Iterator[ServedCheckpoint]:
        """See `ServedLog`; identity keeps its newest only."""
        yield from ()


def _place(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdecimal() else None


def _checkpoint(served: audit_pb2.Checkpoint | transparency_pb2.Checkpoint) -> ServedCheckpoint:
    return ServedCheckpoint(note=served.signed_note, verifier_key=served.verifier_key)


def _proof(
    served: audit_pb2.GetInclusionProofResponse | transparency_pb2.GetInclusionProofResponse, asked: int | None
) -> ServedProof:
    return ServedProof(
        index=served.index,
        asked_index=asked,
        hashes=tuple(_digests(served.hashes)),
        tree_size=served.tree_size,
        checkpoint=_checkpoint(served.checkpoint),
    )


def _digests(hashes: Iterable[bytes]) -> list[Digest]:
    return [Digest(hash_) for hash_ in hashes]
