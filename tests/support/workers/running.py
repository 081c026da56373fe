"""A service with workers as it runs beside a test: its processes, its ports, what it counts."""

import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

TESTS = Path(__file__).parents[2]
ENDS_WITHIN = 60.0


@dataclass(slots=True, kw_only=True)
class RunningWorkers:
    """A leader that is ready, and what it started."""

    process: "subprocess.Popen[str]"
    data: Path
    log: Path
    addresses: Mapping[str, str] = field(default_factory=dict)

    def lines(self, event: str) -> list[dict[str, object]]:
        """Return the log's lines of one kind."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def scrape(self) -> dict[tuple[str, str, str], float]:
        """Return what all count: name, worker (empty for the leader) and values of the other labels → value."""
        with urllib.request.urlopen(f"http://{self.addresses['http']}/metrics") as answer:
            text = answer.read().decode()
        found = {}
        for metric in text_string_to_metric_families(text):
            for sample in metric.samples:
                labels = dict(sample.labels)
                worker = labels.pop("worker", "")
                found[sample.name, worker, " ".join(labels[name] for name in sorted(labels))] = sample.value
        return found

    def token(self) -> str:
        """Return what makes a call an operator's."""
        return (self.data / "dev" / "operator.token").read_text().strip()

    def end(self) -> int:
        """Ask the leader to end, and return what it ended with."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDS_WITHIN)


@contextmanager
def running(command: Sequence[str], data: Path) -> Iterator[RunningWorkers]:
    """Run `python COMMAND` inside the block, from the moment it says something on its standard output."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
        )
    try:
        assert process.stdout is not None
        said, _, _ = select.select([process.stdout], [], [], ENDS_WITHIN)
        assert said, log.read_text()
        assert process.stdout.readline(), log.read_text()
        run = RunningWorkers(process=process, data=data, log=log)
        leader = next(line for line in run.lines("serving") if "worker" not in line)
        run.addresses = {
            key.partition("_")[2].removesuffix("_listen").removesuffix("listen") or "standard": str(bound)
            for key, bound in leader.items()
            if key.endswith("listen")
        }
        yield run
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(ENDS_WITHIN)


def environment() -> dict[str, str]:
    """Return the environment in which a process finds what supports tests."""
    return {**os.environ, "PYTHONPATH": str(TESTS)}


@contextmanager
def watched(pids: Sequence[int]) -> Iterator[list[int]]:
    """Yield descriptors that are readable once the processes have ended, whoever is their parent."""
    descriptors = [os.pidfd_open(pid) for pid in pids]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def all_ended(descriptors: Sequence[int]) -> bool:
    """Wait for processes to end, and say whether all have."""
    return all(select.select([one], [], [], ENDS_WITHIN)[0] for one in descriptors)
