"""What a DID of a running identity resolves to, over HTTP and by a resolver that others wrote."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from did_webvh.core.resolver import DidResolver, LocalHistoryResolver, ResolutionResult
from did_webvh.verify import WebvhVerifier
from support.identity.mesh import IdentityMesh

__all__ = ["ResolutionResult", "by_did_webvh", "document", "methods", "resolved"]


async def resolved(mesh: IdentityMesh, did: str, *, accept: str = "", **options: str) -> httpx.Response:
    """Return the answer of `/1.0/identifiers/{did}`."""
    query = "&".join(f"{name}={quote(value)}" for name, value in options.items())
    path = f"/1.0/identifiers/{quote(did, safe='')}" + (f"?{query}" if query else "")
    async with httpx.AsyncClient() as client:
        headers = {"accept": accept} if accept else {}
        return await client.get(f"http://{mesh.mesh.address('identity.http_listen')}{path}", headers=headers)


def document(answer: httpx.Response) -> dict[str, Any]:
    """Return the document of a resolution result that has one."""
    found: dict[str, Any] = answer.json()["didDocument"]
    return found


async def by_did_webvh(log: str, did: str, tmp_path: Path, **wanted: str) -> ResolutionResult:
    """Return what the `did-webvh` package makes of a log, every proof checked."""
    history = tmp_path / "did.jsonl"
    history.write_text(log)
    verifier = WebvhVerifier()
    return await DidResolver(verifier).resolve(did, LocalHistoryResolver(history), **wanted)


def methods(found: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the verification methods of a document, by their key."""
    assert found is not None, json.dumps(found)
    return {method["publicKeyMultibase"]: method for method in found["verificationMethod"]}
