"""A source of policies, and what keeps the pdp at what it says.

The rules:

- what is new is pushed, or only kept when the source may not activate; what decides already is left alone;
- a bundle that was kept before and does not decide was put out of force by somebody: a restart does not bring it back,
  only a change of the source does;
- whatever is wrong (nothing there, half written, refused) leaves the last good bundle in force. It is told in the log
  once, in `/readyz` and in a metric until it is mended.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import Failure
from ringfence_kit.readiness import Readiness
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.bundle import PolicyFile, digest_of, name_of
from ringfence_pdp.bundles import Compiled, push_bundle, upload_bundle
from ringfence_pdp.rollout.rollouts import KeptBundles
from ringfence_pdp.store import PolicyTx

POLICY_SOURCE = "policy source"
"""What is impaired while the source cannot be used; and the condition until the first bundle, when none decides."""

_log = structlog.get_logger(__name__)


class SourceUnusable(Exception):  # noqa: N818 - named for what happened, like every failure
    """The source has nothing that could be used now; the message says why, without any credential."""


class FollowedBundles(KeptBundles, Protocol):
    """The bundles there are, and how files become one."""

    def compiled(self, files: Sequence[PolicyFile]) -> Compiled:
        """Return files compiled. Raises BundleInvalid."""
        ...


class Source(Protocol):
    """Where policy files are."""

    @property
    def name(self) -> str:
        """What it is called in logs: no credential is in it."""
        ...

    async def read(self) -> Sequence[PolicyFile] | None:
        """Return the files as they are, None when they did not change. Raises SourceUnusable."""
        ...


class Follower:
    """Keeps the pdp at what a source says."""

    def __init__(
        self,
        source: Source | None,
        writer: Writer[PolicyTx],
        bundles: FollowedBundles,
        *,
        activates: bool,
        interval: Millis,
        clock: Clock,
        readiness: Readiness,
    ) -> None:
        """Without a source nothing is followed: bundles are only pushed."""
        self._source = source
        self._writer = writer
        self._bundles = bundles
        self._activates = activates
        self._interval = interval
        self._clock = clock
        self._readiness = readiness
        self._seen = ""
        self.problem = ""
        """Why the source cannot be used; empty while it can."""
        self.loads = 0
        """Bundles that were taken from it."""
        self.failures = 0
        """How often it could not be used."""

    async def following(self) -> None:
        """Look again and again, if there is where to look."""
        while self._source is not None:
            await self.look(self._source)
            await self._clock.sleep(self._interval)

    async def look(self, source: Source) -> None:
        """Look once."""
        try:
            files = await source.read()
            if files is not None:
                await self._take(source, files)
        except (SourceUnusable, Failure) as error:
            self._failed(source, str(error))
            return
        self._well()

    async def _take(self, source: Source, files: Sequence[PolicyFile]) -> None:
        digest, first = digest_of(files), not self._seen
        if digest in (self._seen, self._bundles.rollout.active) or (first and self._was_kept(source, digest)):
            self._seen = digest
            return
        mutation = Mutation(principal=f"source:{source.name}", at=self._clock.now())
        if self._activates:
            bundle = await push_bundle(
                self._writer, files=files, compile_files=self._bundles.compiled, etag="", mutation=mutation
            )
        else:
            bundle = await upload_bundle(
                self._writer, files=files, compile_files=self._bundles.compiled, mutation=mutation
            )
        self._seen = digest
        self.loads += 1
        _log.info("policies_loaded", source=source.name, bundle=bundle.name, activated=self._activates)

    def _was_kept(self, source: Source, digest: str) -> bool:
        kept = self._bundles.find(digest) is not None
        if kept:
            _log.warning("policies_put_out_of_force", source=source.name, bundle=name_of(digest))
        return kept

    def _failed(self, source: Source, problem: str) -> None:
        self.failures += 1
        if problem != self.problem:
            _log.error("policies_not_loaded", source=source.name, problem=problem)
        self.problem = problem
        self._readiness.impair(POLICY_SOURCE, why=f"{source.name}: {problem}; the last good bundle decides")

    def _well(self) -> None:
        self.problem = ""
        self._readiness.repaired(POLICY_SOURCE)
