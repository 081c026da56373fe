"""Runs one peer's detector over texts, inside the environment the peer is installed in; `peers.py` starts it.

It reads a JSON list of texts and writes a JSON list: for each, whether the peer would stop it, and how sure it is. Each
peer is asked as its documentation says, with its defaults. It stops when its time is up, and what was not judged by
then is not counted.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[[str], tuple[bool, float]]


def _agt() -> Ask:
    injections = importlib.import_module("agent_os.prompt_injection").PromptInjectionDetector()
    semantic = importlib.import_module("agent_os.semantic_policy").SemanticPolicyEngine()

    def ask(text: str) -> tuple[bool, float]:
        first = injections.detect(text)
        second = semantic.classify("task", {"text": text})
        sure = max(float(first.confidence) if first.is_injection else 0.0, float(second.confidence))
        return bool(first.is_injection or second.is_dangerous), sure

    return ask


def _stackone() -> Ask:
    defense: Any = importlib.import_module("stackone_defender").create_prompt_defense(block_high_risk=True)
    defense.warmup_tier2()

    def ask(text: str) -> tuple[bool, float]:
        result = defense.defend_tool_result({"text": text}, "tool")
        return not result.allowed, float(result.tier2_score or 0.0)

    return ask


def _pyatr() -> Ask:
    scan = importlib.import_module("pyatr").scan

    def ask(text: str) -> tuple[bool, float]:
        found = scan(text)
        return bool(found), float(len(found))

    return ask


PEERS: dict[str, Callable[[], Ask]] = {"agt": _agt, "stackone-defender": _stackone, "pyatr": _pyatr}


def main() -> None:
    """Judge the texts of a file, until the time is up."""
    name, source, target, seconds = sys.argv[1:5]
    texts = json.loads(Path(source).read_text(encoding="utf-8"))
    ask = PEERS[name]()
    until = time.monotonic() + float(seconds)
    said: list[tuple[bool, float]] = []
    started = time.process_time()
    for text in texts:
        if time.monotonic() > until:
            break
        said.append(ask(text))
    spent = 1000 * (time.process_time() - started) / max(1, len(said))
    Path(target).write_text(json.dumps({"said": said, "milliseconds": round(spent, 3)}), encoding="utf-8")


if __name__ == "__main__":
    main()
