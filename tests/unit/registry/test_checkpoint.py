"""The checkpoint of a catalog: when it is written, when it is used, and that nothing hangs on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.proven_frames import NoFrames
from ringfence_registry.checkpoint.code import DIGEST_SIZE
from ringfence_registry.checkpoint.file import CheckpointFile
from ringfence_registry.checkpoint.held_agents import held_in
from ringfence_registry.checkpoint.keeping import EVERY, CheckpointKeeping
from ringfence_registry.finding.catalog import AgentCatalog, HeldAgents
from ringfence_registry.model import AGENT, Agent
from support.registry.agents import an_agent
from support.registry.catalogs import known, started, stored

NOW = Instant(1_767_225_600_000)
AGENTS = tuple(an_agent(name) for name in "abcdef")
CODE = b"c" * DIGEST_SIZE


def a_file(folder: Path, *, key: bytes = b"k" * 32, code: bytes = CODE) -> CheckpointFile:
    return CheckpointFile(folder / "checkpoint", lambda: key, code=code)


def a_catalog(agents: tuple[Agent, ...] = AGENTS) -> AgentCatalog:
    return started(None, stored(agents), NOW)


def keeping(
    folder: Path, catalog: AgentCatalog, *, clock: ManualClock | None = None, worth_it: int = 3
) -> CheckpointKeeping:
    return CheckpointKeeping(a_file(folder), catalog, clock or ManualClock(), worth_it=worth_it)


def restored(folder: Path, agents: tuple[Agent, ...], *, worth_it: int = 3) -> AgentCatalog:
    """A catalog started on these agents, with whatever is in the folder; `changes` says how many were worked out."""
    catalog = AgentCatalog()
    rows = stored(agents)
    keeping(folder, catalog, worth_it=worth_it).restore(rows)
    for part in rows.parts():
        catalog.take(part, now=NOW)
    catalog.filled()
    assert known(catalog, NOW) == known(a_catalog(agents), NOW)
    return catalog


def change(catalog: AgentCatalog, agent: Agent) -> None:
    catalog.apply(
        Event(
            revision=Revision(1),
            change=Change.MODIFIED,
            kind=AGENT,
            name=str(agent.name),
            record=records.encode(agent),
            at=NOW,
            actor="ops",
        )
    )


def renamed(agent: Agent) -> Agent:
    return replace(agent, spec=replace(agent.spec, display_name="Another", labels={"team": "x"}))


def test_what_was_written_need_not_be_worked_out_again(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    assert restored(tmp_path, AGENTS).changes == 0


def test_what_changed_came_or_went_since_is_worked_out(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    first, _, *others = AGENTS
    assert restored(tmp_path, (renamed(first), *others, an_agent("new"))).changes == 3


def test_a_lease_is_no_change_of_a_record(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    rows = stored(AGENTS, {str(AGENTS[0].name): Instant(NOW + 1_000)})
    catalog = AgentCatalog()
    keeping(tmp_path, catalog).restore(rows)
    for part in rows.parts():
        catalog.take(part, now=NOW)
    catalog.filled()
    assert catalog.changes == 0
    agent = catalog.agent(str(AGENTS[0].name))
    assert agent is not None
    assert agent.lease_expires_at == NOW + 1_000
    assert known(catalog, NOW) == known(started(None, rows, NOW), NOW)


@pytest.mark.parametrize(
    "other",
    [{"key": b"x" * 32}, {"code": b"o" * DIGEST_SIZE}],
    ids=["another database", "other code"],
)
def test_what_is_of_another_database_or_other_code_is_not_used(tmp_path: Path, other: dict[str, bytes]) -> None:
    a_file(tmp_path, **other).write(a_catalog().held())
    assert a_file(tmp_path).read() is None
    assert restored(tmp_path, AGENTS).changes == len(AGENTS)


def test_another_format_a_torn_file_and_no_file_are_not_used(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    path = tmp_path / "checkpoint"
    whole = path.read_bytes()
    for content in (b"", b"ringfence registry checkpoint 0\n" + whole[32:], whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert a_file(tmp_path).read() is None
        assert restored(tmp_path, AGENTS).changes == len(AGENTS)
    path.unlink()
    assert a_file(tmp_path).read() is None


def test_a_database_restored_from_a_backup_needs_no_care(tmp_path: Path) -> None:
    # The same names, the same uids and revisions; what the agents are is another matter.
    lived_on = tuple(renamed(agent) for agent in AGENTS[:2]) + AGENTS[2:]
    a_file(tmp_path).write(a_catalog(lived_on).held())
    assert restored(tmp_path, AGENTS).changes == 2


def test_when_little_is_left_of_it_everything_is_worked_out_at_once(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    others = tuple(renamed(agent) for agent in AGENTS[:4]) + AGENTS[4:]
    assert restored(tmp_path, others).changes == len(AGENTS)


def test_few_agents_are_not_worth_a_file(tmp_path: Path) -> None:
    a_file(tmp_path).write(a_catalog().held())
    assert restored(tmp_path, AGENTS, worth_it=7).changes == len(AGENTS)


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / "nowhere" / "checkpoint", lambda: b"k" * 32, code=CODE).write(a_catalog().held())
    assert list(tmp_path.iterdir()) == []


def test_where_code_is_not_in_files_nothing_is_kept(tmp_path: Path) -> None:
    a_file(tmp_path, code=b"").write(a_catalog().held())
    assert list(tmp_path.iterdir()) == []
    assert a_file(tmp_path, code=b"").read() is None


def test_frames_of_another_kind_are_refused() -> None:
    for frames in ([], [b"\x90"], [b"\x92\xaadictionary\xc4\x00", b"\x91\xa4what"]):
        with pytest.raises(NoFrames, match="does not know"):
            held_in(frames)


class Written(CheckpointFile):
    """Counts instead of writing."""

    def __init__(self) -> None:
        self.held: list[HeldAgents] = []

    def write(self, held: HeldAgents) -> None:
        """See `CheckpointFile`."""
        self.held.append(held)


@asynccontextmanager
async def kept(catalog: AgentCatalog, clock: ManualClock) -> AsyncIterator[Written]:
    """A keeping at work."""
    file = Written()
    keeping = CheckpointKeeping(file, catalog, clock, worth_it=3)
    async with keeping.at_the_end(), background(keeping.run()):
        yield file


class Turning(ManualClock):
    """A clock that says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._waited_for = asyncio.Event()

    async def sleep(self, duration: Millis) -> None:
        """See `Clock`."""
        self._waited_for.set()
        await super().sleep(duration)

    async def turn(self, duration: Millis) -> None:
        """Move on, once somebody waits, and wait until he waits again."""
        await self._waited_for.wait()
        self._waited_for.clear()
        self.advance(duration)
        await self._waited_for.wait()


async def test_it_is_written_after_a_start_that_worked_much_out_now_and_then_and_at_the_end() -> None:
    catalog, clock = a_catalog(), Turning()
    async with kept(catalog, clock) as file:
        await clock.turn(EVERY)
        assert len(file.held) == 1
        change(catalog, renamed(AGENTS[0]))
        await clock.turn(EVERY)
        assert len(file.held) == 2
        await clock.turn(EVERY)  # nothing changed
        change(catalog, AGENTS[0])
    assert [held.digests[0] for held in file.held] == [
        a_catalog().held().digests[0],
        a_catalog((renamed(AGENTS[0]), *AGENTS[1:])).held().digests[0],
        a_catalog().held().digests[0],
    ]


async def test_nothing_is_written_of_few_agents_or_when_nothing_changed(tmp_path: Path) -> None:
    async with kept(a_catalog(AGENTS[:2]), ManualClock()) as few:
        pass
    a_file(tmp_path).write(a_catalog().held())
    async with kept(restored(tmp_path, AGENTS), ManualClock()) as unchanged:
        pass
    assert (few.held, unchanged.held) == ([], [])


async def test_a_writing_that_was_cancelled_is_done_at_the_end() -> None:
    catalog, file = a_catalog(), Written()
    keeping = CheckpointKeeping(file, catalog, ManualClock(), worth_it=3)
    async with keeping.at_the_end():
        writing = asyncio.ensure_future(keeping.run())
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert len(file.held) == 1
