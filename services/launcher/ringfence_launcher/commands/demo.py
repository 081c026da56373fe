"""`ringfence demo`: the closed loop in a mesh of its own."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from ringfence_kit.refusals import StartRefused
from ringfence_kit.store import StorageRefused

from ringfence_launcher.demo.mesh import demo_mesh
from ringfence_launcher.demo.play import PolicyFile, play
from ringfence_launcher.demo.story import ExpectationFailed, Story
from ringfence_launcher.examples import example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import prints
from ringfence_launcher.output import Output
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.running_mesh import SERVICES

app = typer.Typer(help="Show the closed loop in a mesh of its own, step by step.")

_POLICY = "policies/first-policy.yaml"


@app.command(
    epilog="Example: ringfence demo\n\n"
    "Ends with 0 when everything came out as it must, with 1 and the name of the step when something did not."
)
@prints
def demo(
    out: Output,
    *,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play it with a policy of yours, and see where it ends.")
    ] = None,
) -> None:
    """Play the closed loop: evidence, trust, ring, decision, and back; each step with what must come of it.

    Starts four services of its own on free loopback ports, in a folder that is thrown away. They meet over real gRPC.
    Only time is injected, openly: three weeks pass in a moment.
    """
    story = Story(out)
    chosen = PolicyFile(path=policy.name, content=read_bytes(policy)) if policy else _example_policy()
    try:
        asyncio.run(_play(story, chosen))
    except ExpectationFailed as failed:
        raise Problem(
            f"the demo stopped at the step '{failed.step}'",
            code=ExitCode.NEGATIVE,
            details=(Detail(where="expected", what=failed.expected), Detail(where="came", what=failed.came)),
            mend="" if policy else "this should not happen: please report it, with the output above",
        ) from failed
    except (StartRefused, StorageRefused, TimeoutError) as refused:
        raise Problem(f"the demo's mesh did not start: {refused}", code=ExitCode.CONFIGURATION) from refused
    out.value(
        {"steps": story.told, "seconds": round(story.seconds, 3)},
        lambda: Text(f"\nThe loop is closed: {len(story.told)} steps, {story.seconds:.1f} s.", style="bold green"),
    )


async def _play(story: Story, policy: PolicyFile) -> None:
    async with AsyncExitStack() as stack:
        async with story.step("Start a mesh of four services in this process", expected="all of them ready") as step:
            mesh = await stack.enter_async_context(demo_mesh())
            step.saw(", ".join(f"{name} {mesh.addresses[f'{name}.listen']}" for name in SERVICES))
        await play(mesh, story, policy)


def _example_policy() -> PolicyFile:
    return PolicyFile(path=Path(_POLICY).name, content=example(_POLICY))
