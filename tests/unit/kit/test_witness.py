"""A service as a witness: what it believes, keeps, signs and refuses, over restarts, of a log that lies in any way."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.errors import InvalidArgumentError, OutOfRangeError, PermissionDeniedError
from ringfence.proofs.cosignature import verify_signature
from ringfence.proofs.log_witness import Doubt
from ringfence.proofs.merkle import EMPTY_ROOT
from ringfence.proofs.signed_note import Checkpoint, parse_note, parse_signature
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.config import Secret
from ringfence_kit.readiness import Readiness
from ringfence_kit.refusals import StartRefused
from ringfence_kit.sealing import Seal
from ringfence_kit.witness import IMPAIRED, LogWitness, WitnessConfig, WitnessMetrics, witness_seal
from ringfence_kit.witness_files import WitnessFiles
from ringfence_kit.witness_keys import published_witness_keys, witness_key_file
from support.telemetry.heads import note_signer
from support.watching import while_time_passes
from support.witnessed_log import ORIGIN, History, SteeredLog


class Watching:
    """A witness at work."""

    def __init__(
        self, data: Path, log: SteeredLog, clock: ManualClock, config: WitnessConfig, seal: Seal | None
    ) -> None:
        self.log = log
        self.clock = clock
        self.readiness = Readiness()
        self.files = WitnessFiles(data, "registry")
        self.witness = LogWitness(
            "registry", config, log=lambda: log, data=data, seal=seal, clock=clock, readiness=self.readiness
        )

    async def until(self, happened: Callable[[], bool]) -> None:
        """Let time pass until something has happened."""
        while not happened():
            await while_time_passes(self.clock, asyncio.sleep(0), step=SECOND)

    async def believes(self, size: int) -> None:
        """Wait until a head of this size is believed."""
        await self.until(lambda: self.witness.believed is not None and self.witness.believed.checkpoint.size == size)

    async def signs(self, size: int) -> None:
        """Wait until a head of this size is signed."""
        await self.until(lambda: any(signed == size for signed, _ in self.log.cosigned))

    async def doubts(self, times: int = 1) -> None:
        """Wait until so many heads were not believed."""
        await self.until(lambda: self.witness.doubted >= times)

    def metrics(self) -> dict[str, float]:
        """Return what Prometheus is told."""
        found = WitnessMetrics("x", self.witness, self.clock).collect()
        return {sample.name: sample.value for metric in found for sample in metric.samples}


@asynccontextmanager
async def watching(
    data: Path, log: SteeredLog, *, config: WitnessConfig | None = None, signs: bool = True
) -> AsyncIterator[Watching]:
    at_work = Watching(data, log, ManualClock(), config or WitnessConfig(), Seal.unsealed() if signs else None)
    async with at_work.witness.watching():
        yield at_work


@pytest.fixture
def log() -> SteeredLog:
    return SteeredLog(History.numbered(5))


class TestBelieving:
    async def test_the_first_head_is_believed_kept_and_signed(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            began = at_work.clock.now()
            log.show()
            await at_work.signs(5)
            kept = at_work.files.read()
        assert kept is not None
        assert (kept.note, kept.key) == (log.note(), str(log.signer.verifier))
        (key,) = published_witness_keys(tmp_path)
        assert key.name == "registry.witness.ringfence.internal"
        ((_, line),) = log.cosigned
        signed_at = verify_signature(parse_note(log.note()).text, parse_signature(line), key)
        assert began <= signed_at * SECOND <= at_work.clock.now()

    async def test_it_goes_on_by_proof(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            for size in (5, 6, 9, 300):
                log.history = History.numbered(size)
                log.show()
                await at_work.signs(size)
        assert log.proofs_asked == [(5, 6), (6, 9), (9, 300)]
        assert [size for size, _ in log.cosigned] == [5, 6, 9, 300]

    async def test_what_is_still_the_same_is_signed_once(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
            log.show()
            log.history = History.numbered(6)
            log.show()
            await at_work.signs(6)
        assert [size for size, _ in log.cosigned] == [5, 6]

    async def test_from_an_empty_log_everything_goes_on(self, tmp_path: Path) -> None:
        log = SteeredLog()
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(0)
            assert at_work.witness.believed is not None
            assert at_work.witness.believed.checkpoint.root == EMPTY_ROOT
            log.history = History.numbered(3)
            log.show()
            await at_work.signs(3)
        assert log.proofs_asked == []

    async def test_what_nobody_foresaw_ends_the_try_and_not_the_service(self, tmp_path: Path, log: SteeredLog) -> None:
        at_work = Watching(tmp_path, log, ManualClock(), WitnessConfig(), Seal.unsealed())
        failures = [FileNotFoundError("service.token"), ValueError("no such thing")]

        def opened() -> SteeredLog:
            if failures:
                raise failures.pop()
            return log

        at_work.witness = LogWitness(
            "registry",
            WitnessConfig(),
            log=opened,
            data=tmp_path,
            seal=Seal.unsealed(),
            clock=at_work.clock,
            readiness=at_work.readiness,
        )
        async with at_work.witness.watching():
            log.show()
            await at_work.signs(5)
        assert failures == []

    async def test_only_the_newest_of_many_is_looked_at(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
            for size in range(6, 200):
                log.history = History.numbered(size)
                log.show()
            await at_work.signs(199)
        assert len(log.proofs_asked) <= 3

    async def test_what_other_witnesses_signed_is_not_kept(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show(log.note() + "\u2014 another.example AAAAAAAAAAAA\n")
            await at_work.believes(5)
        assert at_work.witness.believed is not None
        assert at_work.witness.believed.note == log.note()


class TestRestart:
    async def test_what_was_believed_is_gone_on_from(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
        key = witness_key_file(tmp_path, "registry").read_text()
        again = SteeredLog(History.numbered(8))
        async with watching(tmp_path, again) as at_work:
            again.show()
            await at_work.signs(8)
        assert again.proofs_asked == [(5, 8)]
        assert witness_key_file(tmp_path, "registry").read_text() == key

    async def test_a_history_rewritten_while_it_was_away_is_found_out(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
        other = SteeredLog(History.numbered(9, mark=b"x"))
        async with watching(tmp_path, other) as at_work:
            other.show()
            await at_work.doubts()
            assert at_work.witness.split
        assert other.cosigned == []

    async def test_a_spoilt_memory_is_no_reason_to_begin_anew(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
        for content in (b"", b"{}", b'{"note":"x","key":"y"}', b"\xff"):
            at_work.files.believed_file.write_bytes(content)
            with pytest.raises(StartRefused, match="compare the log with another witness"):
                async with watching(tmp_path, log):
                    pass


class TestSplitViews:
    async def doubted(self, tmp_path: Path, log: SteeredLog, note: str) -> Watching:
        """Return a witness of five entries that was shown `note`."""
        async with watching(tmp_path, log) as at_work:
            log.show(SteeredLog(History.numbered(5)).note())
            await at_work.signs(5)
            log.show(note)
            await at_work.doubts()
            assert at_work.witness.believed is not None
            assert at_work.witness.believed.checkpoint.size == 5
            assert [size for size, _ in log.cosigned] == [5]
            return at_work

    async def test_another_root_at_the_same_size(self, tmp_path: Path, log: SteeredLog) -> None:
        other = SteeredLog(History.numbered(5, mark=b"x")).note()
        at_work = await self.doubted(tmp_path, log, other)
        evidence = at_work.files.evidence_file.read_text()
        assert evidence.startswith("forked: ")
        assert SteeredLog(History.numbered(5)).note() in evidence
        assert other in evidence

    async def test_a_larger_log_that_does_not_begin_with_the_old(self, tmp_path: Path, log: SteeredLog) -> None:
        log.history = History.numbered(9, mark=b"x")
        at_work = await self.doubted(tmp_path, log, log.note())
        assert at_work.files.evidence_file.read_text().startswith("rewritten: ")

    async def test_a_log_that_got_shorter(self, tmp_path: Path, log: SteeredLog) -> None:
        at_work = await self.doubted(tmp_path, log, log.note(4))
        assert at_work.files.evidence_file.read_text().startswith("went-back: ")

    @pytest.mark.parametrize("error", [OutOfRangeError("too large"), InvalidArgumentError("no")])
    async def test_a_log_that_does_not_stand_by_its_head(
        self, tmp_path: Path, log: SteeredLog, error: Exception
    ) -> None:
        assert isinstance(error, OutOfRangeError | InvalidArgumentError)
        log.history, log.no_proof = History.numbered(9), error
        at_work = await self.doubted(tmp_path, log, log.note())
        assert at_work.files.evidence_file.read_text().startswith("rewritten: ")

    async def test_the_alarm_lasts_until_somebody_has_looked(self, tmp_path: Path, log: SteeredLog) -> None:
        at_work = await self.doubted(tmp_path, log, log.note(4))
        assert at_work.metrics()["x_audit_witness_split_view"] == 1
        assert "two histories" in at_work.readiness.impaired[IMPAIRED]
        assert at_work.readiness.ready
        async with watching(tmp_path, log) as again:
            assert IMPAIRED in again.readiness.impaired
            log.history = History.numbered(6)
            log.show()
            await again.signs(6)
            assert IMPAIRED in again.readiness.impaired
            again.files.evidence_file.unlink()
            log.history = History.numbered(7)
            log.show()
            await again.signs(7)
            assert IMPAIRED not in again.readiness.impaired
            assert again.metrics()["x_audit_witness_split_view"] == 0

    async def test_the_first_evidence_stays(self, tmp_path: Path, log: SteeredLog) -> None:
        at_work = await self.doubted(tmp_path, log, log.note(4))
        first = at_work.files.evidence_file.read_text()
        async with watching(tmp_path, log) as again:
            log.show(log.note(3))
            await again.doubts()
        assert at_work.files.evidence_file.read_text() == first


class TestHeadsThatAreNone:
    @pytest.mark.parametrize(
        "shown",
        [
            "nonsense",
            SteeredLog(History.numbered(9), signer=note_signer(ORIGIN, 2)).note(),
            SteeredLog(History.numbered(9)).note().replace("\n9\n", "\n8\n"),
            note_signer("other.example", 1).sign(Checkpoint("other.example", 9, EMPTY_ROOT).text()),
            note_signer(ORIGIN, 1).sign(Checkpoint("other.example", 9, EMPTY_ROOT).text()),
        ],
        ids=("nonsense", "another key", "spoilt", "another signer", "another log"),
    )
    async def test_they_are_doubted_and_are_no_split_view(self, tmp_path: Path, log: SteeredLog, shown: str) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
            log.show(shown)
            await at_work.doubts()
            assert not at_work.witness.split
            assert at_work.witness.believed is not None
            assert at_work.witness.believed.checkpoint.size == 5

    async def test_a_pinned_key_beats_what_the_log_says(self, tmp_path: Path, log: SteeredLog) -> None:
        pinned = WitnessConfig(log_key=str(note_signer(ORIGIN, 7).verifier))
        async with watching(tmp_path, log, config=pinned) as at_work:
            log.show()
            await at_work.doubts()
            assert at_work.witness.believed is None
            log.signer = note_signer(ORIGIN, 7)
            log.show()
            await at_work.signs(5)


class TestTelemetryAway:
    async def test_it_is_waited_for(self, tmp_path: Path, log: SteeredLog) -> None:
        log.away = True
        async with watching(tmp_path, log) as at_work:
            await at_work.until(lambda: log.opened >= 4)
            assert at_work.metrics()["x_audit_witness_tree_size"] == -1
            log.away = False
            log.show()
            await at_work.signs(5)
            log.cut()
            log.history = History.numbered(6)
            log.show()
            await at_work.signs(6)

    async def test_who_is_not_known_goes_on_watching(self, tmp_path: Path, log: SteeredLog) -> None:
        log.refuses = InvalidArgumentError("registry.witness is no known witness")
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.until(lambda: at_work.witness.cosigning_problem != "")
            log.history = History.numbered(6)
            log.show()
            await at_work.believes(6)
            assert at_work.metrics()["x_audit_witness_cosigning_fails"] == 1
            log.refuses = None
            log.show()
            await at_work.signs(6)
            assert at_work.metrics()["x_audit_witness_cosigning_fails"] == 0

    async def test_a_grant_that_is_missing_ends_nothing(self, tmp_path: Path, log: SteeredLog) -> None:
        log.no_proof = PermissionDeniedError("no")
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
            log.history = History.numbered(6)
            log.show()
            await at_work.until(lambda: log.opened >= 2)
            log.no_proof = None
            log.show()
            await at_work.signs(6)
            assert not at_work.witness.split


class TestKeeping:
    async def test_what_cannot_be_kept_is_neither_believed_nor_signed(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log) as at_work:
            log.show()
            await at_work.signs(5)
            folder = at_work.files.believed_file.parent
            blocker = at_work.files.believed_file.with_name("registry.believed.json.new")
            blocker.mkdir()
            log.history = History.numbered(6)
            log.show()
            await at_work.until(lambda: len(log.proofs_asked) > 0)
            log.show()
            await at_work.until(lambda: len(log.proofs_asked) > 1)
            assert at_work.witness.believed is not None
            assert at_work.witness.believed.checkpoint.size == 5
            blocker.rmdir()
            log.show()
            await at_work.signs(6)
            assert stat.S_ISDIR(folder.stat().st_mode)

    async def test_without_a_seal_it_compares_and_does_not_sign(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log, signs=False) as at_work:
            log.show()
            await at_work.believes(5)
            log.show(log.note(4))
            await at_work.doubts()
        assert log.cosigned == []
        assert published_witness_keys(tmp_path) == []
        assert at_work.witness.split

    async def test_switched_off_it_does_nothing(self, tmp_path: Path, log: SteeredLog) -> None:
        async with watching(tmp_path, log, config=WitnessConfig(enabled=False)):
            await asyncio.sleep(0)
        assert log.opened == 0
        assert not WitnessFiles(tmp_path, "registry").believed_file.parent.exists()


def test_settings_that_are_wrong_are_named() -> None:
    config = WitnessConfig(name="a b", log_key="nonsense")
    assert [name for name, _ in config.problems()] == ["name", "log_key"]
    assert list(WitnessConfig(name="registry.example.com/witness").problems()) == []
    assert list(replace(config, name="", log_key=str(note_signer(ORIGIN, 1).verifier)).problems()) == []


def test_what_seals_the_key() -> None:
    own, of_witness = Secret("a passphrase of the service"), Secret("a passphrase of the witness")
    for dev in (False, True):
        assert witness_seal(WitnessConfig(seal=of_witness), own, setting="x", dev=dev) is not None
        assert witness_seal(WitnessConfig(), own, setting="x", dev=dev) is not None
    assert witness_seal(WitnessConfig(), Secret(""), setting="x", dev=True) is not None
    assert witness_seal(WitnessConfig(), Secret(""), setting="x", dev=False) is None


def test_a_doubt_is_a_split_view_only_when_the_log_said_two_things() -> None:
    assert {doubt for doubt in Doubt if doubt.is_split} == {Doubt.WENT_BACK, Doubt.FORKED, Doubt.REWRITTEN}
    assert Millis(5 * SECOND) == WitnessConfig().every
