"""The example in identity's README that checks a certificate does what it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.did import parse_did
from ringfence.proofs.status_list_check import CredentialRevoked
from support.identity.certificates import certificate
from support.identity.mesh import IdentityMesh, identity_mesh

README = Path(__file__).parents[3] / "services" / "identity" / "README.md"


def example() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (block,) = [block for block in blocks if "check_birth_certificate" in block]
    return block


async def world_of(mesh: IdentityMesh, text: bytes) -> dict[str, Any]:
    """Return the names the example takes for given."""
    log = await mesh.get("/prod/.well-known/did.jsonl")
    return {
        "did_jsonl": log,
        "registrar_did": parse_did(json.loads(log.splitlines()[0])["state"]["id"]),
        "now": mesh.clock.now(),
        "text": text,
        "list_1": await mesh.get("/prod/status/1"),
        "list_2": await mesh.get("/prod/status/2"),
    }


async def test_the_example_believes_a_good_certificate_and_not_a_revoked_one(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        text = await certificate(mesh, agent)
        world = await world_of(mesh, text)
        exec(example(), world)
        assert str(world["certificate"].did) == agent.did
        await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="left"))
        with pytest.raises(CredentialRevoked):
            exec(example(), await world_of(mesh, text))
