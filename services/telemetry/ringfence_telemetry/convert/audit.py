"""`ringfence.telemetry.v1.AuditService` messages to values and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence_kit.errors import PageTokenInvalid, Violation
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import TileId
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.audit_log import Draft, decision_key
from ringfence_telemetry.audit_reading import ConsistencyProof, EntryKey, InclusionProof
from ringfence_telemetry.audit_witnesses import LINE_MAX, WitnessStanding
from ringfence_telemetry.decision_document import read_decision
from ringfence_telemetry.errors import DecisionEntryInvalid
from ringfence_telemetry.store import StoredEntry

ENTRIES_MAX = 1_000
INDEX_MAX = 2**63 - 1
VIOLATIONS_MAX = 50
WITNESSES_MAX = 32
LEVEL_MAX = 7
"""Beyond it a tile's hash would stand for more than 2^63 entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEntries:
    """A checked ListEntriesRequest."""

    start_index: int
    page_size: int
    page_token: str


def append_decisions(request: pb.AppendDecisionsRequest) -> list[Draft]:
    """Build the entries, or raise InvalidRequest, or DecisionEntryInvalid for what is wrong inside the documents."""
    found = Violations()
    listed = list(found.items(request.entries, "entries", min_items=1, max_items=ENTRIES_MAX))
    ids = [found.uuid(entry.decision_id, f"{path}.decision_id") for path, entry in listed]
    found.raise_if_any()
    drafts, wrong = [], list[Violation]()
    for (path, entry), decision_id in zip(listed, ids, strict=True):
        decision, violations = read_decision(entry.body, decision_id=decision_id, path=f"{path}.body")
        wrong += violations[: VIOLATIONS_MAX - len(wrong)]
        drafts.append(Draft(key=decision_key(decision_id), body=entry.body, decision=decision))
    if wrong:
        raise DecisionEntryInvalid(*wrong)
    return drafts


def entry_key(request: pb.GetEntryRequest | pb.GetInclusionProofRequest) -> EntryKey:
    """Return which entry is meant, or raise InvalidRequest."""
    found = Violations()
    key = _entry_key(request, found)
    return found.ok(key)


def list_entries(request: pb.ListEntriesRequest) -> ListEntries:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    question = ListEntries(
        start_index=found.integer(request.start_index, "start_index", minimum=0, maximum=INDEX_MAX),
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
    )
    return found.ok(question)


def inclusion_question(request: pb.GetInclusionProofRequest) -> tuple[EntryKey, int]:
    """Return which entry is to be proven in a log of which size, or raise InvalidRequest."""
    found = Violations()
    key = _entry_key(request, found)
    size = found.integer(request.tree_size, "tree_size", minimum=0, maximum=INDEX_MAX)
    return found.ok(key), size


def consistency_question(request: pb.GetConsistencyProofRequest) -> tuple[int, int]:
    """Return the two sizes, or raise InvalidRequest."""
    found = Violations()
    first = found.integer(request.first_tree_size, "first_tree_size", minimum=0, maximum=INDEX_MAX)
    second = found.integer(request.second_tree_size, "second_tree_size", minimum=0, maximum=INDEX_MAX)
    if second and second < first:
        found.add("second_tree_size", "must not be smaller than first_tree_size")
    found.raise_if_any()
    return first, second


def checkpoint_question(request: pb.GetCheckpointRequest) -> tuple[int, int | None]:
    """Return how many witnesses have to stand behind the head, and of how many entries it is at most."""
    found = Violations()
    least = found.integer(request.least_witnesses, "least_witnesses", minimum=0, maximum=WITNESSES_MAX)
    at_most = found.integer(request.at_most, "at_most", minimum=0, maximum=INDEX_MAX)
    if least and at_most:
        found.add("at_most", "must not be given with least_witnesses")
    found.raise_if_any()
    return least, at_most or None


def tile_question(request: pb.GetTileRequest) -> TileId:
    """Return which tile is meant, or raise InvalidRequest."""
    found = Violations()
    tile = TileId(
        found.integer(request.level, "level", minimum=0, maximum=LEVEL_MAX),
        found.integer(request.index, "index", minimum=0, maximum=INDEX_MAX),
    )
    return found.ok(tile)


def cosignature(request: pb.AddCosignatureRequest) -> tuple[int, str]:
    """Return the size of the head and the line beneath it, or raise InvalidRequest."""
    found = Violations()
    size = found.integer(request.tree_size, "tree_size", minimum=0, maximum=INDEX_MAX)
    line = found.text(request.signature_line.removesuffix("\n"), "signature_line", max_bytes=LINE_MAX)
    return found.ok((size, line))


def witnesses_to_proto(standings: Sequence[WitnessStanding]) -> pb.ListWitnessesResponse:
    """Return the message of who witnesses the log."""
    return pb.ListWitnessesResponse(witnesses=[_witness(standing) for standing in standings])


def _witness(standing: WitnessStanding) -> pb.Witness:
    witness = pb.Witness(name=standing.key.name, verifier_key=str(standing.key))
    if standing.size is not None and standing.at is not None:
        witness.tree_size = standing.size
        witness.cosign_time.CopyFrom(to_timestamp(standing.at))
    return witness


def cursor(start_index: int) -> bytes:
    """Return what a page token holds: where the next page starts."""
    return str(start_index).encode()


def start_of(cursor: bytes) -> int:
    """Return where a page starts."""
    if not cursor.isdigit():
        raise PageTokenInvalid(problem="it holds no place in the log")
    return int(cursor)


def entry_to_proto(entry: StoredEntry) -> pb.AuditEntry:
    """Return the message of an entry."""
    return pb.AuditEntry(
        index=entry.index,
        body=entry.body,
        leaf_hash=entry.leaf_hash,
        append_time=to_timestamp(entry.appended_at),
    )


def checkpoint_to_proto(checkpoint: StoredCheckpoint, *, verifier_key: str) -> pb.Checkpoint:
    """Return the message of a head."""
    return pb.Checkpoint(
        tree_size=checkpoint.frontier.size,
        root_hash=checkpoint.frontier.root(),
        signed_note=checkpoint.note,
        verifier_key=verifier_key,
    )


def appended_to_proto(
    indexes: Sequence[int], checkpoint: StoredCheckpoint, *, verifier_key: str
) -> pb.AppendDecisionsResponse:
    """Return the answer to an append."""
    head = checkpoint_to_proto(checkpoint, verifier_key=verifier_key)
    return pb.AppendDecisionsResponse(indexes=indexes, checkpoint=head)


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


def _entry_key(request: pb.GetEntryRequest | pb.GetInclusionProofRequest, found: Violations) -> EntryKey | None:
    match found.one_of(request.WhichOneof("key"), "key", ("index", "decision_id")):
        case "index":
            return EntryKey(index=found.integer(request.index, "index", minimum=0, maximum=INDEX_MAX))
        case "decision_id":
            return EntryKey(decision_id=found.uuid(request.decision_id, "decision_id"))
        case _:
            return None
