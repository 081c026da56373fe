"""Policies from a folder and from git: read whole or not at all, and whatever is wrong leaves the last good ones."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.memory import MemoryDatabase, MemoryWriter
from ringfence_kit.readiness import Readiness
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_pdp.bundle import PolicyFile, digest_of
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.rollouts import roll_back
from ringfence_pdp.sources.folder import FolderSource
from ringfence_pdp.sources.git import GitSource, is_ref, is_repository, without_credentials
from ringfence_pdp.sources.limits import FILE_BYTES_MAX
from ringfence_pdp.sources.source import POLICY_SOURCE, Follower, Source, SourceUnusable
from ringfence_pdp.store_memory import MemoryPolicyStore, MemoryPolicyTx
from support.pdp.world import ALLOW_ALL, policy

DENY_ALL = policy("{name: none, match: {actions: ['*']}, effect: DENY}")


@dataclass
class Said:
    """A source that says what a test lets it say."""

    files: Sequence[PolicyFile] | None = None
    problem: str = ""
    name: str = field(default="test")

    async def read(self) -> Sequence[PolicyFile] | None:
        if self.problem:
            raise SourceUnusable(self.problem)
        return self.files


def files(text: str) -> list[PolicyFile]:
    return [PolicyFile(path="p.yaml", content=text.encode())]


@dataclass
class Running:
    follower: Follower
    state: PolicyState[CompiledBundle]
    readiness: Readiness
    writer: MemoryWriter[MemoryPolicyTx]
    source: Source

    async def look(self) -> None:
        await self.follower.look(self.source)

    @property
    def active(self) -> str:
        return self.state.rollout.active


@asynccontextmanager
async def running(
    source: Source, database: MemoryDatabase | None = None, *, activates: bool = True
) -> AsyncIterator[Running]:
    database, clock, readiness = database or MemoryDatabase(), ManualClock(), Readiness()
    state: PolicyState[CompiledBundle] = PolicyState(compile_files)
    hub = EventHub(database.events, clock=clock, apply=state.apply)
    revision, stored = await MemoryPolicyStore(database).load()
    state.fill(stored, revision)
    hub.start(revision)
    async with MemoryWriter(database, MemoryPolicyTx, hub, clock=clock) as writer:
        follower = Follower(
            source, writer, state, activates=activates, interval=Millis(1_000), clock=clock, readiness=readiness
        )
        yield Running(follower, state, readiness, writer, source)


async def test_what_a_source_says_decides() -> None:
    async with running(Said(files(ALLOW_ALL))) as on:
        await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))
        assert on.state.active().author == "source:test"
        await on.look()
        assert on.follower.loads == 1


async def test_a_bad_reload_keeps_the_last_good_bundle_and_says_so_until_it_is_mended() -> None:
    source = Said(files(ALLOW_ALL))
    async with running(source) as on:
        await on.look()
        source.files = files("kind: nonsense")
        await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))
        assert "the last good bundle decides" in on.readiness.impaired[POLICY_SOURCE]
        assert "p.yaml:1" in on.follower.problem
        source.files = files(DENY_ALL)
        await on.look()
        assert (on.active, on.follower.problem) == (digest_of(files(DENY_ALL)), "")
        assert POLICY_SOURCE not in on.readiness.impaired


async def test_a_source_that_is_gone_changes_nothing() -> None:
    source = Said(files(ALLOW_ALL))
    async with running(source) as on:
        await on.look()
        source.problem = "it is no folder"
        await on.look()
        await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))
        assert (on.follower.failures, on.readiness.ready) == (2, True)


async def test_what_somebody_put_out_of_force_stays_out_also_after_a_restart() -> None:
    database, source = MemoryDatabase(), Said(files(ALLOW_ALL))
    async with running(source, database) as on:
        await on.look()
        source.files = files(DENY_ALL)
        await on.look()
        by = Mutation(principal="dev:operator", at=ManualClock().now())
        await roll_back(on.writer, on.state, digest="", reason="it denies too much", etag="", mutation=by)
        await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))
    async with running(source, database) as on:
        await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))
        source.files = files(policy("{name: read, match: {actions: ['read_*']}, effect: ALLOW}"))
        await on.look()
        assert on.active == digest_of(source.files)


async def test_a_source_goes_back_to_what_it_said_before() -> None:
    source = Said(files(ALLOW_ALL))
    async with running(source) as on:
        for text in (ALLOW_ALL, DENY_ALL, ALLOW_ALL):
            source.files = files(text)
            await on.look()
        assert on.active == digest_of(files(ALLOW_ALL))


async def test_a_source_that_may_not_activate_only_keeps() -> None:
    async with running(Said(files(ALLOW_ALL)), activates=False) as on:
        await on.look()
        assert on.active == ""
        assert [bundle.digest for bundle in on.state.bundles] == [digest_of(files(ALLOW_ALL))]


def folder_with(tmp_path: Path, **texts: str) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


class Patient(ManualClock):
    """Whoever waits for it is let go on at once; a test may do something meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def sleep(self, duration: Millis) -> None:
        self.meanwhile()
        self.advance(duration)


async def test_a_folder_gives_its_yaml_files_at_any_depth_and_nothing_hidden(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, b="two")
    (folder / "team").mkdir()
    (folder / "team" / "a.yml").write_text("one")
    (folder / "README.md").write_text("no policy")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.yaml").write_text("no policy")
    (folder / ".draft.yaml").write_text("no policy")
    found = await FolderSource(folder, clock=Patient()).read()
    assert [(file.path, file.content) for file in found or ()] == [("b.yaml", b"two"), ("team/a.yml", b"one")]


async def test_a_folder_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, a="one")
    source = FolderSource(folder, clock=Patient())
    assert await source.read() is not None
    assert await source.read() is None
    (folder / "a.yaml").write_text("two!")
    changed = await source.read()
    assert changed is not None
    assert changed[0].content == b"two!"


async def test_half_a_file_is_never_taken(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, a="one")

    def write_on() -> None:
        with (folder / "a.yaml").open("a") as more:
            more.write(" and more")

    clock = Patient(write_on)
    source = FolderSource(folder, clock=clock)
    with pytest.raises(SourceUnusable, match="being written"):
        await source.read()
    clock.meanwhile = lambda: None
    whole = await source.read()
    assert [file.content for file in whole or ()] == [b"one and more"]


async def test_a_folder_that_is_swapped_as_a_whole_is_followed(tmp_path: Path) -> None:
    """As a mounted ConfigMap is: a link to a folder of now."""
    for name, text in (("first", "one"), ("second", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(text)
    link = tmp_path / "policies"
    link.symlink_to("first")
    source = FolderSource(link, clock=Patient())
    await source.read()
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").replace(link)
    swapped = await source.read()
    assert [file.content for file in swapped or ()] == [b"two"]


@pytest.mark.parametrize("what", ["nothing", "no folder", "a large file", "a broken link"])
async def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "policies"
    if what != "no folder":
        folder.mkdir()
    if what == "a large file":
        (folder / "a.yaml").write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    if what == "a broken link":
        (folder / "a.yaml").symlink_to("nowhere")
    with pytest.raises(SourceUnusable):
        await FolderSource(folder, clock=Patient()).read()


def git(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(repository), *identity, *arguments], check=True, capture_output=True)


def repository_with(tmp_path: Path, text: str) -> Path:
    repository = tmp_path / "repository"
    (repository / "policies").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(repository))
    (repository / "policies" / "a.yaml").write_text(text)
    (repository / "deploy.yaml").write_text("no policy")
    (repository / "policies" / "link.yaml").symlink_to("/etc/hostname")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "first")
    return repository


def git_source(tmp_path: Path, url: str, ref: str = "main", timeout: int = 10_000) -> GitSource:
    return GitSource(url, ref=ref, folder="policies", store=tmp_path / "store.git", timeout=Millis(timeout))


async def test_a_branch_is_followed_and_links_in_it_lead_nowhere(tmp_path: Path) -> None:
    repository = repository_with(tmp_path, "one")
    source = git_source(tmp_path, str(repository))
    first = await source.read()
    assert [(file.path, file.content) for file in first or ()] == [("a.yaml", b"one")]
    assert await source.read() is None
    (repository / "policies" / "a.yaml").write_text("two")
    git(repository, "commit", "--quiet", "--all", "--message", "second")
    second = await source.read()
    assert [file.content for file in second or ()] == [b"two"]


async def test_no_hook_of_a_repository_is_run(tmp_path: Path) -> None:
    repository = repository_with(tmp_path, "one")
    ran = tmp_path / "ran"
    source = git_source(tmp_path, str(repository))
    await source.read()
    for hooks in (repository / ".git" / "hooks", tmp_path / "store.git" / "hooks"):
        hooks.mkdir(exist_ok=True)
        for name in ("post-checkout", "reference-transaction", "post-merge", "pre-auto-gc"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
            (hooks / name).chmod(0o755)
    (repository / "policies" / "a.yaml").write_text("two")
    git(repository, "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "--all", "--message", "second")
    assert await source.read() is not None
    assert not ran.exists()


@pytest.mark.parametrize("ref", ["nowhere", "main~1"])
async def test_a_ref_that_is_not_there_is_told(tmp_path: Path, ref: str) -> None:
    repository = repository_with(tmp_path, "one")
    with pytest.raises(SourceUnusable, match="git fetch failed"):
        await git_source(tmp_path, str(repository), ref).read()


async def test_no_credential_of_a_url_is_told(tmp_path: Path) -> None:
    source = git_source(tmp_path, "https://ada:5ecret@127.0.0.1:1/policies.git")
    with pytest.raises(SourceUnusable) as refused:
        await source.read()
    assert "5ecret" not in str(refused.value) + source.name
    assert without_credentials("https://x:y@a/b and ssh://git@c/d") == "https://a/b and ssh://c/d"


async def test_a_repository_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent:
        source = git_source(tmp_path, f"https://127.0.0.1:{port}/policies.git", timeout=300)
        with pytest.raises(SourceUnusable, match="took longer"):
            await source.read()


@pytest.mark.parametrize("text", ["--upload-pack=touch /tmp/x", "-x", "a..b", "", "a b", "main\n"])
def test_what_git_would_take_for_an_option_is_no_ref(text: str) -> None:
    assert not is_ref(text)


@pytest.mark.parametrize("text", ["ext::sh -c id", "http://example.com/x", "git://example.com/x", "-o", "relative", ""])
def test_what_runs_commands_or_can_be_changed_on_its_way_is_no_repository(text: str) -> None:
    assert not is_repository(text)
