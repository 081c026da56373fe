"""Takes texts out of the sources that are kept apart. `evaluate.py` alone imports this, after thresholds are frozen."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import yaml
from ringfence_pdp.filters.finding import ArgumentType

from training.readers.training import lines
from training.sources import Source
from training.texts import Text, thinned

GOAL_TECHNIQUES: Final = {
    "T1003": "credential",
    "T1552": "credential",
    "T1555": "credential",
    "T1562": "evasion",
    "T1070": "evasion",
    "T1048": "exfiltration",
    "T1041": "exfiltration",
    "T1567": "exfiltration",
    "T1485": "destruction",
    "T1486": "destruction",
    "T1490": "destruction",
    "T1489": "sabotage",
}
"""ATT&CK: credentials dumped, stored or searched for; defences impaired, traces removed; data taken out; impact."""
LANGUAGES: Final = ("", ".de", ".es", ".fr", ".it", ".ja", ".ko", ".nl", ".pl", ".pt_BR", ".zh")
SECURITY_WORDS: Final = re.compile(
    r"(?i)passw|secret|key|token|user|permission|certificate|encrypt|decrypt|firewall|delete|remove|kill|root|admin"
)


def read(source: Source) -> list[Text]:
    """Return the texts of a source; none when it is not here."""
    return list(_READERS[source.name](source.name, source.folder)) if source.folder.exists() else []


def _spikee(name: str, folder: Path) -> Iterator[Text]:
    datasets = folder / "spikee" / "data" / "workspace" / "datasets"
    for seeds in ("seeds-cybersec-2026-01", "seeds-llm-mailbox", "seeds-sysmsg-extraction-2025-04"):
        orders = [str(row["instruction"]) for row in lines(datasets / seeds / "instructions.jsonl")]
        wraps = [str(row["text"]) for row in lines(datasets / seeds / "jailbreaks.jsonl")]
        for place, wrap in enumerate(wraps):
            order = orders[place % len(orders)]
            text = wrap.replace("<INSTRUCTION>", order)
            if wrap.strip("<>. \n") != "INSTRUCTION":
                yield Text(text=text, source=name, stratum="injection", category="injection")
    for row in lines(datasets / "seeds-investment-advice-fp" / "standalone_user_inputs.jsonl"):
        yield Text(text=row["text"], source=name, stratum="security")


def _agentdojo(name: str, folder: Path) -> Iterator[Text]:
    for path in sorted((folder / "agentdojo" / "default_suites").glob("*/*/injection_tasks.py")):
        for text in _assigned(path, "GOAL"):
            yield Text(text=text, source=name, stratum="context", category="exfiltration")
    for path in sorted((folder / "agentdojo" / "default_suites").glob("*/*/user_tasks.py")):
        for text in _assigned(path, "PROMPT"):
            yield Text(text=text, source=name, stratum="ordinary")


def _agent_injection_bench(name: str, folder: Path) -> Iterator[Text]:
    for row in lines(folder / "aib" / "data" / "attacks.jsonl"):
        yield Text(text=row["injected"], source=name, stratum="injection", category="injection")
        yield Text(text=row["task"], source=name, stratum="ordinary")


def _finagent(name: str, folder: Path) -> Iterator[Text]:
    path = folder / "finagent_redteam" / "scenarios" / "builtin.py"
    for text in _arguments(path, "body"):
        yield Text(text=text, source=name, stratum="goal", category="fraud")


def _hermes(name: str, folder: Path) -> Iterator[Text]:
    for text in _arguments(folder / "hermes_jailbench" / "attacks.py", "template"):
        yield Text(text=text, source=name, stratum="injection", category="injection")


def _agentic_redteam(name: str, folder: Path) -> Iterator[Text]:
    for file in ("prompt_injection", "jailbreak"):
        cases = _yaml(folder / "agentic_redteam" / "payloads" / f"{file}.yaml")
        for case in cases:
            query = str((case.get("vars") or {}).get("query", ""))
            yield Text(text=query, source=name, stratum="injection", category="injection")
    for case in _yaml(folder / "agentic_redteam" / "payloads" / "clean_queries.yaml"):
        yield Text(text=str((case.get("vars") or {}).get("query", "")), source=name, stratum="ordinary")


def _notinject(name: str, folder: Path) -> Iterator[Text]:
    for path in sorted((folder / "datasets").glob("NotInject_*.json")):
        for row in json.loads(path.read_text(encoding="utf-8")):
            yield Text(text=row["prompt"], source=name, stratum="security")


def _atomic(name: str, folder: Path) -> Iterator[Text]:
    for path in sorted((folder / "atomics").glob("T*/T*.yaml")):
        category = GOAL_TECHNIQUES.get(path.stem.split(".")[0])
        for test in _yaml(path).get("atomic_tests", []):
            stratum = "goal" if category else "context"
            yield Text(text=test["name"], source=name, stratum=stratum, category=category or "sabotage")


def _coreruleset(name: str, folder: Path) -> Iterator[Text]:
    found: list[Text] = []
    for number in ("930", "932", "933", "934", "942", "944"):
        for path in sorted((folder / "tests" / "regression" / "tests").glob(f"REQUEST-{number}-*/*.yaml")):
            for test in _yaml(path).get("tests", []):
                found += [_payload(f"{name}/{number}", text) for text in _crs_values(test) if len(text) >= 8]
    yield from thinned(found, 600)


def _crs_values(test: dict[str, Any]) -> Iterator[str]:
    for stage in test.get("stages", []):
        if not (stage.get("output", {}).get("log", {}) or {}).get("expect_ids"):
            continue
        request = stage["input"]
        for query in (urlsplit(str(request.get("uri", ""))).query, str(request.get("data", ""))):
            if "=" in query and not query.lstrip().startswith(("{", "<", "-")):
                yield from (value for _, value in parse_qsl(query))


def _libinjection(name: str, folder: Path) -> Iterator[Text]:
    found = [
        _payload(name, line)
        for path in sorted((folder / "data").glob("sqli-*.txt"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(line) >= 8 and not line.startswith("#")
    ]
    yield from thinned(found, 600)


def _payloads_all(name: str, folder: Path) -> Iterator[Text]:
    kinds = ("Command Injection", "Directory Traversal", "File Inclusion", "NoSQL", "SQL Injection", "Server Side")
    for kind in kinds:
        found = [
            _payload(name, line)
            for path in sorted(folder.glob(f"{kind}*/Intruder*/*.txt"))
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
            if len(line) >= 8
        ]
        yield from thinned(found, 120)


def _bipia(name: str, folder: Path) -> Iterator[Text]:
    for file in ("text_attack_test.json", "text_attack_train.json"):
        for orders in json.loads((folder / "benchmark" / file).read_text(encoding="utf-8")).values():
            for text in orders:
                yield Text(text=text, source=name, stratum="context", category="injection")


def _nl2bash(name: str, folder: Path) -> Iterator[Text]:
    for file, type_ in (("all.nl", ArgumentType.FREE_TEXT), ("all.cm", ArgumentType.SHELL)):
        said = (folder / "data" / "bash" / file).read_text(encoding="utf-8").splitlines()
        for line in said[::40]:
            yield Text(text=line, source=f"{name}/{file}", stratum="ordinary", type=type_)


def _tldr(name: str, folder: Path) -> Iterator[Text]:
    for language in LANGUAGES:
        said: list[Text] = []
        for path in sorted((folder / f"pages{language}" / "common").glob("*.md")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith("- "):
                    text = re.sub(r"[\[\]`]", "", line[2:].rstrip(":"))
                    stratum = "security" if SECURITY_WORDS.search(text) else "ordinary"
                    said.append(Text(text=text, source=name, stratum=stratum))
        yield from thinned(said, 400 if not language else 60)


_READERS: Final = {
    "spikee": _spikee,
    "agentdojo": _agentdojo,
    "agent-injection-bench": _agent_injection_bench,
    "finagent-redteam": _finagent,
    "hermes-jailbench": _hermes,
    "agentic-redteam": _agentic_redteam,
    "notinject": _notinject,
    "atomic-red-team": _atomic,
    "coreruleset": _coreruleset,
    "libinjection": _libinjection,
    "payloads-all-the-things": _payloads_all,
    "bipia": _bipia,
    "nl2bash": _nl2bash,
    "tldr": _tldr,
}


def _payload(source: str, text: str) -> Text:
    return Text(text=text, source=source, stratum="payload", category="payload")


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 -- the C loader, but safe


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _assigned(path: Path, name: str) -> Iterator[str]:
    """Yield the texts a name is given in a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            yield from _constant(node.value)


def _arguments(path: Path, name: str) -> Iterator[str]:
    """Yield the texts that are passed by a name in a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == name:
            yield from _constant(node.value)


def _constant(node: ast.expr) -> Iterator[str]:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    said = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "X" for part in parts]
    text = "".join(said).strip()
    if text and text != "X":
        yield text
