"""The other three services as witnesses of telemetry's audit log, in development mode, with nothing configured."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from ringfence.proofs.cosignature import WitnessKey, verify_cosignature
from ringfence.proofs.signed_note import parse_note
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from support.mesh.audit import decision_body
from support.mesh.in_process import LONGEST_WAIT_S, InProcessMesh, in_process_mesh

WITNESSES = ("identity", "pdp", "registry")
OFTEN = {f"{name}.witness": {"every": '"100ms"'} for name in WITNESSES}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path, extra=OFTEN) as running:
        yield running


async def append(mesh: InProcessMesh, *numbers: int) -> None:
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in numbers]
    entries = [audit_pb2.DecisionEntry(decision_id=each, body=decision_body(each)) for each in ids]
    await AuditServiceStub(mesh.channel("telemetry")).AppendDecisions(
        audit_pb2.AppendDecisionsRequest(entries=entries), wait_for_ready=True
    )


async def head(mesh: InProcessMesh, *, least: int = 0) -> audit_pb2.Checkpoint:
    request = audit_pb2.GetCheckpointRequest(least_witnesses=least)
    return (await AuditServiceStub(mesh.channel("telemetry")).GetCheckpoint(request)).checkpoint


def seen(mesh: InProcessMesh, witness: str, metric: str) -> float | None:
    return mesh.sample(witness, f"ringfence_{witness}_audit_witness_{metric}")


async def all_stand_behind(mesh: InProcessMesh, size: int) -> None:
    await mesh.until(lambda: all((seen(mesh, name, "tree_size") or 0) >= size for name in WITNESSES))


async def witnesses_of(mesh: InProcessMesh, size: int) -> Sequence[audit_pb2.Witness]:
    """Return the witnesses once all of them stand behind the head of this size."""
    stub = AuditServiceStub(mesh.channel("telemetry"))
    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            listed = (await stub.ListWitnesses(audit_pb2.ListWitnessesRequest())).witnesses
            if [each.tree_size for each in listed] == [size] * len(WITNESSES):
                return listed


async def test_all_three_stand_behind_the_newest_head(mesh: InProcessMesh) -> None:
    await append(mesh, 1, 2, 3)
    await all_stand_behind(mesh, 3)
    listed = await witnesses_of(mesh, 3)
    assert [each.name for each in listed] == [f"{name}.witness.ringfence.internal" for name in WITNESSES]
    signed = await head(mesh, least=3)
    note = parse_note(signed.signed_note)
    assert [verify_cosignature(note, WitnessKey.parse(each.verifier_key)) > 0 for each in listed] == [True] * 3


async def test_they_survive_telemetry_being_away(mesh: InProcessMesh) -> None:
    await append(mesh, 1)
    await all_stand_behind(mesh, 1)
    await mesh.stop("telemetry")
    await mesh.start("telemetry")
    await append(mesh, 2, 3)
    await all_stand_behind(mesh, 3)
    assert [seen(mesh, name, "split_view") for name in WITNESSES] == [0, 0, 0]


async def test_a_log_that_was_put_back_is_found_out_by_every_witness(mesh: InProcessMesh, tmp_path: Path) -> None:
    await append(mesh, 1, 2)
    await all_stand_behind(mesh, 2)
    await mesh.stop("telemetry")
    kept = tmp_path / "backup"
    kept.mkdir()
    for file in mesh.layout.data.glob("telemetry.db*"):
        shutil.copy(file, kept / file.name)
    await mesh.start("telemetry")
    await append(mesh, 3, 4, 5)
    await all_stand_behind(mesh, 5)
    await mesh.stop("telemetry")
    for file in mesh.layout.data.glob("telemetry.db*"):
        file.unlink()
    for file in kept.iterdir():
        shutil.copy(file, mesh.layout.data / file.name)
    await mesh.start("telemetry")
    await append(mesh, 13, 14, 15, 16)
    await mesh.until(lambda: all("audit log" in mesh.services[name].readiness.impaired for name in WITNESSES))
    assert [seen(mesh, name, "split_view") for name in WITNESSES] == [1, 1, 1]
    for name in WITNESSES:
        assert "two histories" in mesh.services[name].readiness.impaired["audit log"]
        assert mesh.services[name].readiness.ready
    assert (await head(mesh)).tree_size == 6
