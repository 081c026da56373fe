"""The echo service as a process of its own, on both kinds of port, and what can be seen of it from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

TESTS = Path(__file__).parents[1]
ENDS_S = 60.0
ALWAYS = (
    "server.log.calls=none",
    # Clients of tests call as fast as they can.
    *(f"server.quotas.{kind}_per_second=0" for kind in ("open", "read", "write", "stream")),
)
IN_FLIGHT = ("ringfence_calls_in_flight", "")
SENT_AWAY = "ringfence_fast_port_sent_away_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEcho:
    """A process that serves."""

    process: "subprocess.Popen[bytes]"
    addresses: Mapping[str, str]
    """Kind of port → where it listens: `standard`, `fast`."""
    http: str
    data: Path

    @property
    def operator(self) -> str:
        """The token of an operator."""
        return (self.data / "dev" / "operator.token").read_text().strip()

    @property
    def resident(self) -> int:
        """Bytes of memory it takes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def scrape(self) -> dict[tuple[str, str], float]:
        """Return its metrics that have one telling label at most: name and that label's value → number."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return {
            (sample.name, "".join(value for key, value in sample.labels.items() if key != "service")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def sent_away(self, why: str) -> float:
        """Return how many the fast port sent away for that."""
        return self.scrape().get((SENT_AWAY, why), 0)

    def rest(self) -> None:
        """Return once no call is in progress: none was left behind."""
        while self.scrape()[IN_FLIGHT]:
            pass

    def end(self) -> None:
        """Let it drain; return once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(ENDS_S)


def environment() -> dict[str, str]:
    """Return what processes of tests find: our modules, and not the wish to be measured, which takes as long again."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")},
        "PYTHONPATH": str(TESTS),
    }


@contextmanager
def running_echo(data: Path, *settings: str, dev: bool = True) -> Iterator[RunningEcho]:
    """Start it with these settings (`server.drain=1s`), on free ports unless they say others; end it with the block."""
    data.mkdir(parents=True, exist_ok=True)
    chosen = ["echo.listen=127.0.0.1:0", "echo.fast_listen=127.0.0.1:0", *ALWAYS, *settings]
    command = [sys.executable, "-m", "support.echo_process", "--data", str(data), *(["--dev"] if dev else [])]
    for each in chosen:
        command += ["--set", each]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) as process:
        try:
            said = _serving(process)
            addresses = {"standard": said["echo_listen"], "fast": said["echo_fast_listen"]}
            # What it says from now on is of no interest; it must not be held up by saying it.
            threading.Thread(target=lambda: [*(process.stderr or ())], daemon=True).start()
            yield RunningEcho(process=process, addresses=addresses, http=said["echo_http_listen"], data=data)
        finally:
            process.terminate()
            try:
                process.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
    assert process.returncode in (0, -signal.SIGKILL)


def _serving(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    lines = []
    for raw in process.stderr or ():
        said: dict[str, Any] = json.loads(raw) if raw.startswith(b"{") else {}
        if said.get("event") == "serving":
            return said
        lines.append(raw.decode())
    raise AssertionError("the process ended before it served: " + "".join(lines))
