"""The README's recipe for rotating a key, run as it stands there: a shell, openssl and grpcurl."""

import asyncio
import os
import re
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf import json_format
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.mesh import identity_mesh

README = Path(__file__).parents[3] / "services/identity/README.md"
ADDRESS = "127.0.0.1:7402"


def recipe() -> str:
    """Return the shell commands under "Rotating a key"."""
    section = README.read_text().partition("## Rotating a key")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    assert ADDRESS in found[1]
    return found[1]


async def test_the_recipe_rotates_a_key(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    (tmp_path / "agent.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with identity_mesh(tmp_path / "mesh") as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol(key=Ed25519Signer(private.private_bytes_raw(), EPOCH))).identity
        script = recipe().replace(ADDRESS, mesh.mesh.address("identity.listen"))
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            script,
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "DID": agent.did,
                "ENVIRONMENT": agent.environment,
                "VERSION": agent.did_version_id,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        rotated = json_format.Parse(out, pb.RotateKeyResponse()).identity
        assert rotated.did_version_id.startswith("2-")
        assert rotated.public_key_multibase != agent.public_key_multibase
        message = (tmp_path / "rotation.bin").read_bytes()
        assert private.public_key().public_bytes_raw() in message
