"""Runs the detectors of others over the texts that were kept apart, each in its own environment and bounded in time.

    python -m training.peers [--texts 1500] [--seconds 240]

The environment is `.build/training/peers`; nothing of it is ever imported here.
"""

import argparse
import json
import subprocess
import time
import venv
from pathlib import Path
from typing import Any, Final

from ringfence_pdp.filters.finding import Severity
from ringfence_pdp.filters.intent.classifier import intent

from training.evaluate import kept_apart_texts, write
from training.judging import Judged, Verdict, by_filters, gates, layer_one
from training.peer_worker import PEERS
from training.sources import BUILT, HERE
from training.texts import Text, thinned

ENVIRONMENT: Final = BUILT / "peers"
PACKAGES: Final = ("agent-os-kernel==3.7.0", "stackone-defender[onnx]==0.9.4", "pyatr==0.3.1")


def install() -> Path:
    """Return the interpreter of the peers' environment, made and filled if it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / "installed"
    if not done.exists() or done.read_text() != "\n".join(PACKAGES):
        venv.create(ENVIRONMENT, with_pip=True, clear=True, symlinks=True)
        subprocess.run(  # noqa: S603 -- the packages are pinned above
            [python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True, timeout=600
        )
        done.write_text("\n".join(PACKAGES))
    return python


def ask(python: Path, name: str, texts: list[Text], seconds: float) -> dict[str, Any]:
    """Return what a peer makes of the texts it got to."""
    source, target = BUILT / "peer_texts.json", BUILT / f"peer_{name}.json"
    source.write_text(json.dumps([text.text for text in texts]), encoding="utf-8")
    subprocess.run(  # noqa: S603 -- our own script, in the peers' environment
        [python, HERE / "peer_worker.py", name, source, target, str(seconds)], check=True, timeout=seconds + 120
    )
    answer = json.loads(target.read_text(encoding="utf-8"))
    rows = [
        Judged(text=text, verdict=_verdict(stopped=stopped, sure=sure))
        for text, (stopped, sure) in zip(texts, answer["said"], strict=False)
    ]
    return {"gates": gates(rows), "judged": len(rows), "milliseconds": answer["milliseconds"]}


def _verdict(*, stopped: bool, sure: float) -> Verdict:
    """Return what a peer said: what it stops is ranked before all else, and then by how sure it is."""
    return Verdict(Severity.HIGH if stopped else None, sure + 10.0 * stopped, 10.0 * stopped)


def ourselves(texts: list[Text]) -> dict[str, Any]:
    """Return what both layers make of the same texts."""
    judge = by_filters([layer_one(), intent()])
    started = time.process_time()
    rows = [Judged(text=text, verdict=judge(text)) for text in texts]
    spent = 1000 * (time.process_time() - started) / max(1, len(rows))
    return {"gates": gates(rows), "judged": len(rows), "milliseconds": round(spent, 3)}


def main() -> None:
    """Ask every peer the same texts as ourselves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=240.0)
    arguments = parser.parse_args()
    texts = thinned(kept_apart_texts(), arguments.texts)
    # Spread, so that whoever runs out of time has judged some of every source.
    texts = [text for start in range(50) for text in texts[start::50]]
    python = install()
    found = {name: ask(python, name, texts, arguments.seconds) for name in PEERS}
    found["ringfence"] = ourselves(texts)
    write("peers", found)


if __name__ == "__main__":
    main()
