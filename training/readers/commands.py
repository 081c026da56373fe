"""Takes what manuals say of commands and their options: short, in the imperative, and close to goals in form."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ringfence_pdp.filters.finding import ArgumentType

from training.texts import Text, thinned

MOST: Final = 1200
_DESCRIPTION: Final = re.compile(r'\bdescription:"((?:[^"\\]|\\.){16,300})"')
_ESCAPE: Final = re.compile(r"\\(.)")
_OF_SECURITY: Final = re.compile(
    r"(?i)passw|secret|key|token|user|permission|certificate|encrypt|decrypt|firewall|delete|remove|kill|root|admin"
    r"|credential|log ?in|auth|audit|backup|policy|disable|force"
)
_OF_ORDERS: Final = re.compile(
    r"(?i)ignor|overrid|bypass|instruct|prompt|system|forget|pretend|rule|reveal|skip|act as"
)
"""Words that give orders to a model, and that every second option of a program is described with."""


def fig(name: str, folder: Path) -> Iterator[Text]:
    """Yield what programs and their options do, as completions of a shell tell it."""
    kinds: dict[str, list[str]] = {"ordinary": [], "orders": [], "security": []}
    seen: set[str] = set()
    for path in sorted((folder / "package" / "build").rglob("*.js")):
        for quoted in _DESCRIPTION.findall(path.read_text(encoding="utf-8")):
            text = _ESCAPE.sub(r"\1", quoted)
            if text not in seen:
                seen.add(text)
                kinds[_kind(text)].append(text)
    for kind, texts in kinds.items():
        stratum = "ordinary" if kind == "ordinary" else "security"
        made = [Text(text=text, source=f"{name}/{kind}", stratum=stratum) for text in texts]
        yield from thinned(made, MOST if kind != "orders" else MOST // 2)


def eg(name: str, folder: Path) -> Iterator[Text]:
    """Yield what one wants of a shell, in a sentence, and the command that does it."""
    (examples,) = folder.glob("*/eg/examples")
    for path in sorted(examples.glob("*.md")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            if block.lstrip("\n").startswith("    "):
                command = block.strip().split("\n")[0].removeprefix("$ ")
                if " " in command:
                    yield Text(text=command, source=f"{name}/commands", stratum="ordinary", type=ArgumentType.SHELL)
            elif not block.lstrip().startswith("#"):
                said = " ".join(block.split()).rstrip(":")
                if 12 < len(said) < 300:
                    yield Text(text=said, source=name, stratum="ordinary")


def _kind(text: str) -> str:
    if _OF_ORDERS.search(text):
        return "orders"
    return "security" if _OF_SECURITY.search(text) else "ordinary"
