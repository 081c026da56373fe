"""Use cases that change nothing: what is wrong with a bundle, and how its tests go.

One review runs at a time, in a thread of its own that rests: whoever lets large bundles be reviewed all day holds up
other reviews, not decisions.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ringfence_pdp.breathing import Breath
from ringfence_pdp.bundle import PolicyFile, in_order
from ringfence_pdp.compile import BundleCompiler, Examined
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.errors import BundleTestsFailed
from ringfence_pdp.policy_tests.coverage import Report, run_tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which tests are run, and whether it is asked what they would miss."""

    name_contains: str = ""
    coverage: bool = False


class Reviews:
    """Reviews bundles; of the last one it remembers what the next may have in common with it."""

    def __init__(self) -> None:
        self._compiler = BundleCompiler(Breath)
        self._turn = asyncio.Semaphore(1)

    async def examine(self, files: Sequence[PolicyFile]) -> Examined:
        """Return everything that is wrong with a bundle, and the bundle when nothing is."""
        async with self._turn:
            return await asyncio.to_thread(self._compiler.examine, in_order(files))

    async def test(self, files: Sequence[PolicyFile], chosen: Chosen) -> Report:
        """Return how the tests of a bundle go; raise BundleInvalid when there is something wrong with it."""
        async with self._turn:
            return await asyncio.to_thread(self._tested, self._compiler.compile_files, files, chosen)

    async def pass_tests(
        self,
        files: Sequence[PolicyFile],
        compile_files: Callable[[Sequence[PolicyFile]], CompiledBundle],
        *,
        ignoring: bool,
    ) -> Report:
        """Return how the tests of a bundle go; raise BundleTestsFailed when one fails, unless that is ignored."""
        async with self._turn:
            report = await asyncio.to_thread(self._tested, compile_files, files, Chosen())
        first = next((result for result in report.results if not result.passed), None)
        if first is not None and not ignoring:
            told = f"{first.test.place}, {first.test.name!r}: {first.problems[0]}"
            raise BundleTestsFailed(failed=report.failed, run=len(report.results), first=told)
        return report

    def _tested(
        self,
        compile_files: Callable[[Sequence[PolicyFile]], CompiledBundle],
        files: Sequence[PolicyFile],
        chosen: Chosen,
    ) -> Report:
        bundle = compile_files(in_order(files))
        tests = [test for test in bundle.tests if chosen.name_contains in test.name]
        return run_tests(tests, bundle, coverage=chosen.coverage, breathe=Breath())
