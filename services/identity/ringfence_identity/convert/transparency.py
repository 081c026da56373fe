"""`ringfence.identity.v1.TransparencyService` messages to values and back."""

from dataclasses import dataclass

from ringfence.identity.v1 import transparency_pb2 as pb
from ringfence.proofs.merkle import leaf_hash
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.store.transparency import LogEntry
from ringfence_identity.transparency.reading import ConsistencyProof, InclusionProof

INDEX_MAX = 2**63 - 1
SUBJECT_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLogEntries:
    """A checked ListLogEntriesRequest."""

    start_index: int
    subject: str
    page_size: int
    page_token: str


def list_log_entries(request: pb.ListLogEntriesRequest) -> ListLogEntries:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    question = ListLogEntries(
        start_index=found.integer(request.start_index, "start_index", minimum=0, maximum=INDEX_MAX),
        subject=found.text(request.subject, "subject", max_bytes=SUBJECT_MAX, required=False),
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
    )
    return found.ok(question)


def inclusion_question(request: pb.GetInclusionProofRequest) -> tuple[int, int]:
    """Return which entry is to be proven in a log of which size, or raise InvalidRequest."""
    found = Violations()
    index = found.integer(request.index, "index", minimum=0, maximum=INDEX_MAX)
    size = found.integer(request.tree_size, "tree_size", minimum=0, maximum=INDEX_MAX)
    found.raise_if_any()
    return index, size


def consistency_question(request: pb.GetConsistencyProofRequest) -> tuple[int, int]:
    """Return the two sizes, or raise InvalidRequest."""
    found = Violations()
    first = found.integer(request.first_tree_size, "first_tree_size", minimum=0, maximum=INDEX_MAX)
    second = found.integer(request.second_tree_size, "second_tree_size", minimum=0, maximum=INDEX_MAX)
    if second and second < first:
        found.add("second_tree_size", "must not be smaller than first_tree_size")
    found.raise_if_any()
    return first, second


def cursor(start_index: int) -> bytes:
    """Return what a page token holds: where the next page starts."""
    return str(start_index).encode()


def start_of(cursor: bytes) -> int:
    """Return where a page starts."""
    if not cursor.isdigit():
        raise PageTokenInvalid(problem="it holds no place in the log")
    return int(cursor)


def entry_to_proto(entry: LogEntry) -> pb.LogEntry:
    """Return the message of an entry."""
    return pb.LogEntry(
        index=entry.index,
        body=entry.body,
        leaf_hash=leaf_hash(entry.body),
        append_time=to_timestamp(entry.appended_at),
    )


def checkpoint_to_proto(checkpoint: StoredCheckpoint, *, verifier_key: str) -> pb.Checkpoint:
    """Return the message of a checkpoint."""
    return pb.Checkpoint(
        tree_size=checkpoint.frontier.size,
        root_hash=checkpoint.frontier.root(),
        signed_note=checkpoint.note,
        verifier_key=verifier_key,
    )


def inclusion_proof_to_proto(proof: InclusionProof, *, verifier_key: str) -> pb.GetInclusionProofResponse:
    """Return the message of a proof."""
    return pb.GetInclusionProofResponse(
        index=proof.index,
        leaf_hash=proof.leaf_hash,
        hashes=proof.hashes,
        tree_size=proof.tree_size,
        checkpoint=checkpoint_to_proto(proof.checkpoint, verifier_key=verifier_key),
    )


def consistency_proof_to_proto(proof: ConsistencyProof, *, verifier_key: str) -> pb.GetConsistencyProofResponse:
    """Return the message of a proof."""
    return pb.GetConsistencyProofResponse(
        hashes=proof.hashes,
        second_tree_size=proof.second_tree_size,
        checkpoint=checkpoint_to_proto(proof.checkpoint, verifier_key=verifier_key),
    )
