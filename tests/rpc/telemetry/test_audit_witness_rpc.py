"""Heads, tiles and witnesses over the wire: what an outsider can check, and every refusal with its reason."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.proofs.cosignature import Cosigner, WitnessKey, verify_cosignature
from ringfence.proofs.merkle import DIGEST_SIZE, Digest, leaf_hash, node_hash, root_at
from ringfence.proofs.signed_note import VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.log_tiles import TileId, subtrees_of
from support.serving import OPERATOR, SERVICE
from support.telemetry.decisions import body
from support.telemetry.mesh import AGENT, AUDITOR, GATEWAY, OWNER, TelemetryMesh, quiet, telemetry_mesh
from support.telemetry.witnessing import SECONDS, cosigner, line_under
from support.watching import while_time_passes
from support.wire import refusal

W1, W2 = cosigner(), cosigner("witness.example/w2", seed=102)
STRANGER = cosigner("witness.example/stranger", seed=103)


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    config = quiet(witnesses=(str(W1.witness), str(W2.witness)))
    async with telemetry_mesh(tmp_path, config=config, clock=ManualClock()) as running:
        yield running


async def fill(telemetry: TelemetryMesh, entries: int) -> None:
    there = (await newest(telemetry)).tree_size
    for first in range(there + 1, entries + 1, 1_000):
        await telemetry.append(*[body(n) for n in range(first, min(first + 1_000, entries + 1))], first=first)


async def newest(telemetry: TelemetryMesh, *, least_witnesses: int = 0) -> pb.Checkpoint:
    request = pb.GetCheckpointRequest(least_witnesses=least_witnesses)
    return (await telemetry.audit(OWNER).GetCheckpoint(request)).checkpoint


async def cosign(
    telemetry: TelemetryMesh,
    head: pb.Checkpoint,
    by: Cosigner = W1,
    *,
    seconds: int = SECONDS,
    caller: Caller = SERVICE,
) -> pb.Checkpoint:
    line = line_under(head.signed_note, by=by, seconds=seconds)
    request = pb.AddCosignatureRequest(tree_size=head.tree_size, signature_line=line)
    return (await telemetry.audit(caller).AddCosignature(request)).checkpoint


class TestCosigning:
    async def test_a_head_is_given_out_with_every_signature_it_has(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 3)
        head = await newest(telemetry)
        await cosign(telemetry, head, W1)
        answered = await cosign(telemetry, head, W2, caller=OPERATOR)
        assert answered == await newest(telemetry)
        note = parse_note(answered.signed_note)
        verify_note(note, VerifierKey.parse(head.verifier_key))
        assert [verify_cosignature(note, by.witness) for by in (W1, W2)] == [SECONDS, SECONDS]
        assert parse_checkpoint(note.text).root == head.root_hash
        proof = await telemetry.audit().GetInclusionProof(pb.GetInclusionProofRequest(index=1))
        assert proof.checkpoint == answered

    async def test_the_same_again_changes_nothing(self, telemetry: TelemetryMesh) -> None:
        head = await newest(telemetry)
        first = await cosign(telemetry, head)
        assert await cosign(telemetry, head) == first
        assert await cosign(telemetry, head, seconds=SECONDS - 60) == first

    async def test_it_survives_a_restart(self, tmp_path: Path) -> None:
        config = quiet(witnesses=(str(W1.witness),))
        async with telemetry_mesh(tmp_path, config=config, clock=ManualClock()) as telemetry:
            await fill(telemetry, 2)
            signed = await cosign(telemetry, await newest(telemetry))
        async with telemetry_mesh(tmp_path, config=config, clock=ManualClock()) as telemetry:
            assert await newest(telemetry) == signed
            await fill(telemetry, 3)
            assert await newest(telemetry, least_witnesses=1) == signed

    async def test_an_older_head_may_be_signed_later(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 2)
        old = await newest(telemetry)
        await fill(telemetry, 5)
        signed = await cosign(telemetry, old)
        assert signed.tree_size == 2
        assert (await newest(telemetry)).tree_size == 5

    async def test_the_newest_that_enough_stand_behind(self, telemetry: TelemetryMesh) -> None:
        for size in (1, 2, 3):
            await fill(telemetry, size)
            head = await newest(telemetry)
            if size < 3:
                await cosign(telemetry, head, W1)
            if size < 2:
                await cosign(telemetry, head, W2)
        sizes = [(await newest(telemetry, least_witnesses=least)).tree_size for least in range(3)]
        assert sizes == [3, 2, 1]
        refused = await refusal(telemetry.audit().GetCheckpoint(pb.GetCheckpointRequest(least_witnesses=3)))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "CHECKPOINT_NOT_FOUND")
        assert refused.metadata == {"asked": "3 of 2 known witnesses"}

    async def test_heads_of_the_past(self, telemetry: TelemetryMesh) -> None:
        for size in (2, 3, 7):
            await fill(telemetry, size)
        found = {}
        for at_most in range(9):
            request = pb.GetCheckpointRequest(at_most=at_most)
            head = (await telemetry.audit(AGENT).GetCheckpoint(request)).checkpoint
            verify_note(parse_note(head.signed_note), VerifierKey.parse(head.verifier_key))
            found[at_most] = head.tree_size
        assert found == {0: 7, 1: 0, 2: 2, 3: 3, 4: 3, 5: 3, 6: 3, 7: 7, 8: 7}

    @pytest.mark.parametrize(
        ("least", "at_most", "field"),
        [(-1, 0, "least_witnesses"), (33, 0, "least_witnesses"), (0, -1, "at_most"), (1, 1, "at_most")],
    )
    async def test_heads_that_cannot_be_asked_for(
        self, telemetry: TelemetryMesh, least: int, at_most: int, field: str
    ) -> None:
        request = pb.GetCheckpointRequest(least_witnesses=least, at_most=at_most)
        refused = await refusal(telemetry.audit().GetCheckpoint(request))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {field})

    async def test_how_far_each_witness_has_come(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 4)
        await cosign(telemetry, await newest(telemetry), W2)
        listed = (await telemetry.audit(AGENT).ListWitnesses(pb.ListWitnessesRequest())).witnesses
        assert [WitnessKey.parse(each.verifier_key) for each in listed] == [W1.witness, W2.witness]
        assert [each.name for each in listed] == ["witness.example/w1", "witness.example/w2"]
        assert [each.HasField("tree_size") for each in listed] == [False, True]
        assert (listed[1].tree_size, listed[1].cosign_time.seconds) == (4, SECONDS)


class TestRefusedCosignatures:
    async def refused(self, telemetry: TelemetryMesh, *, tree_size: int = 0, line: str = "") -> tuple[str, str]:
        request = pb.AddCosignatureRequest(tree_size=tree_size, signature_line=line)
        refused = await refusal(telemetry.audit(SERVICE).AddCosignature(request))
        assert refused.code == "INVALID_ARGUMENT"
        return refused.reason, refused.metadata.get("problem", "") or ",".join(refused.violations)

    async def test_each_says_what_is_wrong(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 2)
        head = await newest(telemetry)
        cases = {
            "no known witness": (2, line_under(head.signed_note, by=STRANGER)),
            "no checkpoint of that many": (1, line_under(head.signed_note)),
            "does not verify": (0, line_under(head.signed_note)),
            "in the future": (2, line_under(head.signed_note, seconds=SECONDS + 601)),
            "reads: em dash": (2, "not a line"),
        }
        for problem, (size, line) in cases.items():
            reason, said = await self.refused(telemetry, tree_size=size, line=line)
            assert (reason, problem in said) == ("COSIGNATURE_INVALID", True), (problem, said)
        assert await newest(telemetry) == head

    async def test_a_key_under_anothers_name(self, telemetry: TelemetryMesh) -> None:
        posing = cosigner(W1.witness.name, seed=9)
        line = line_under((await newest(telemetry)).signed_note, by=posing)
        assert await self.refused(telemetry, line=line) == (
            "COSIGNATURE_INVALID",
            f"{W1.witness.name}+{posing.witness.key_id.hex()} is no known witness",
        )

    async def test_a_signature_spoilt_in_any_byte(self, telemetry: TelemetryMesh) -> None:
        head = await newest(telemetry)
        line = line_under(head.signed_note)
        start = len(line) - 90
        for place in range(start, len(line) - 2, 7):
            spoilt = line[:place] + ("B" if line[place] != "B" else "C") + line[place + 1 :]
            assert (await self.refused(telemetry, line=spoilt))[0] == "COSIGNATURE_INVALID"
        assert await newest(telemetry) == head

    @pytest.mark.parametrize(
        ("size", "line", "fields"),
        [(-1, "x", "tree_size"), (0, "", "signature_line"), (0, "x" * 1_025, "signature_line"), (0, "a\x00b", "")],
    )
    async def test_requests_that_are_none(self, telemetry: TelemetryMesh, size: int, line: str, fields: str) -> None:
        reason, named = await self.refused(telemetry, tree_size=size, line=line)
        assert reason in ("INVALID_REQUEST", "COSIGNATURE_INVALID")
        assert fields in named

    async def test_who_is_no_service_is_no_witness(self, telemetry: TelemetryMesh) -> None:
        for caller in (AUDITOR, GATEWAY, AGENT, OWNER, Caller(principal="test:ann", roles=frozenset({Role.APPROVER}))):
            refused = await refusal(telemetry.audit(caller).AddCosignature(pb.AddCosignatureRequest()))
            assert refused.reason == "NOT_PERMITTED"


class TestTiles:
    async def tile(self, telemetry: TelemetryMesh, level: int, index: int) -> pb.GetTileResponse:
        return await telemetry.audit(AGENT).GetTile(pb.GetTileRequest(level=level, index=index))

    async def test_full_and_partial_tiles_at_the_edge(self, telemetry: TelemetryMesh) -> None:
        for size in (1, 255, 256, 257, 600):
            await fill(telemetry, size)
            last = (size - 1) // 256
            partial = await self.tile(telemetry, 0, last)
            assert len(partial.hashes) == DIGEST_SIZE * (size - 256 * last)
            assert partial.tree_size == size
            assert partial.hashes[-DIGEST_SIZE:] == leaf_hash(body(size))
            refused = await refusal(self.tile(telemetry, 0, last + 1))
            assert (refused.code, refused.reason) == ("NOT_FOUND", "TILE_NOT_FOUND")
        for index in (0, 1):
            assert len((await self.tile(telemetry, 0, index)).hashes) == DIGEST_SIZE * 256
        above = await self.tile(telemetry, 1, 0)
        assert len(above.hashes) == DIGEST_SIZE * 2

    async def test_the_root_can_be_made_of_tiles_alone(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 700)
        head = await newest(telemetry)
        found = {}
        for level, count in ((0, 3), (1, 1)):
            for index in range(count):
                found[TileId(level, index)] = (await self.tile(telemetry, level, index)).hashes
        assert root_at(700, subtrees_of(lambda tile: found[tile])) == head.root_hash
        first = found[TileId(0, 0)]
        row = [Digest(first[i : i + DIGEST_SIZE]) for i in range(0, len(first), DIGEST_SIZE)]
        while len(row) > 1:
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        assert found[TileId(1, 0)][:DIGEST_SIZE] == row[0]

    async def test_an_empty_tree_has_no_tile(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(self.tile(telemetry, 0, 0))
        assert refused.metadata == {"level": "0", "index": "0", "tree_size": "0"}

    @pytest.mark.parametrize(("level", "index", "field"), [(-1, 0, "level"), (8, 0, "level"), (0, -1, "index")])
    async def test_places_that_are_none(self, telemetry: TelemetryMesh, level: int, index: int, field: str) -> None:
        refused = await refusal(self.tile(telemetry, level, index))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {field}

    async def test_the_farthest_place_there_could_be(self, telemetry: TelemetryMesh) -> None:
        assert (await refusal(self.tile(telemetry, 7, 2**63 - 1))).reason == "TILE_NOT_FOUND"


class Heads:
    """A stream of heads, on a clock that is moved on while it is waited for."""

    def __init__(self, telemetry: TelemetryMesh) -> None:
        assert isinstance(telemetry.clock, ManualClock)
        self.clock = telemetry.clock
        self._stream = aiter(telemetry.audit(AGENT).WatchCheckpoints(pb.WatchCheckpointsRequest()))

    async def first(self) -> pb.Checkpoint:
        """Return what is told without any time passing."""
        return (await anext(self._stream)).checkpoint

    async def next(self) -> pb.Checkpoint:
        """Return what is told next, however long it takes."""
        answer = await while_time_passes(self.clock, anext(self._stream), step=Millis(SECOND // 10))
        return answer.checkpoint


class TestWatching:
    async def test_the_newest_comes_first_and_then_every_other(self, telemetry: TelemetryMesh) -> None:
        await fill(telemetry, 2)
        heads = Heads(telemetry)
        seen = [await heads.first()]
        assert seen == [await newest(telemetry)]
        await fill(telemetry, 5)
        while seen[-1].tree_size < 5:
            seen.append(await heads.next())
        assert [head.tree_size for head in seen] == sorted(head.tree_size for head in seen)
        assert seen[-1] == await newest(telemetry)

    async def test_another_signature_is_told(self, telemetry: TelemetryMesh) -> None:
        heads = Heads(telemetry)
        head = await heads.first()
        signed = await cosign(telemetry, head)
        while head != signed:
            head = await heads.next()

    async def test_silence_is_broken_every_five_seconds(self, telemetry: TelemetryMesh) -> None:
        heads = Heads(telemetry)
        first, began = await heads.first(), heads.clock.now()
        assert first == await heads.next() == await heads.next()
        assert heads.clock.now() - began >= 5 * SECOND

    async def test_many_watch_and_leave(self, telemetry: TelemetryMesh) -> None:
        watchers = [Heads(telemetry) for _ in range(20)]
        assert len({(await each.first()).tree_size for each in watchers}) == 1
        await fill(telemetry, 1)
        for each in watchers:
            while (await each.next()).tree_size < 1:
                continue


async def test_a_scrape_says_how_long_the_log_is_and_who_stands_behind_it(telemetry: TelemetryMesh) -> None:
    heads = Heads(telemetry)
    await heads.first()
    await fill(telemetry, 4)
    signed = await cosign(telemetry, await newest(telemetry))
    while await heads.next() != signed:
        continue
    found = await telemetry.metrics()
    assert (found["audit_tree_size"], found["audit_head_witnesses"], found["audit_watchers"]) == (4, 1, 1)
    assert found["audit_head_age_seconds"] >= 0
