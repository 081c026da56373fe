"""What source code does that is given as an argument, as far as it hands commands and statements on to others.

Code is not parsed: there are too many languages. What it gives to a shell is looked at as a command line,
and a few ways to a shell on another machine are known by what they need.
"""

import re
from collections.abc import Iterator
from typing import Final

from ringfence_pdp.filters.analysers import shell_foothold
from ringfence_pdp.filters.analysers.judgement import HIGH, MEDIUM, Hit, Judgement

UNPACKS: Final = Judgement("code.unpacks-and-runs", "evasion", HIGH, "the code runs what it decodes first")
REMOVES_TREE: Final = Judgement(
    "code.removes-tree", "destruction", HIGH, "the code deletes a whole part of the file system"
)
READS_SECRET: Final = Judgement(
    "code.reads-secret", "credential", HIGH, "the code reads a file in which keys or passwords are kept"
)
SENDS_ENVIRONMENT: Final = Judgement(
    "code.sends-environment", "exfiltration", HIGH, "the code sends its environment to another machine"
)
FETCHES: Final = Judgement("code.fetches-and-runs", "malware", HIGH, "the code runs what it fetches from elsewhere")
DESERIALISES: Final = Judgement(
    "code.deserialises", "injection", MEDIUM, "the code runs whatever an object it reads says"
)

ALL: Final = (UNPACKS, REMOVES_TREE, READS_SECRET, SENDS_ENVIRONMENT, FETCHES, DESERIALISES)

CODE_MAX: Final = 32_768
_COMMAND: Final = re.compile(
    r"(?:os\.(?:system|popen)|subprocess\.(?:run|call|check_call|check_output|Popen|getoutput)|commands\.getoutput"
    r"|exec(?:Sync|File|FileSync)?|spawn(?:Sync)?|shell_exec|passthru|system|popen|Process\.Start"
    r"|Runtime\.getRuntime\(\)\.exec"
    r"|IO\.popen|pty\.spawn|backtick|Open3\.\w+)\s*\(\s*[fbru]{0,2}(\"\"\"|'''|\"|'|`)(?P<text>.{1,2048}?)\1",
    re.DOTALL,
)
_LISTED: Final = re.compile(
    r"(?:subprocess\.(?:run|call|check_call|check_output|Popen)|spawn(?:Sync)?"
    r"|execv\w*)\s*\(\s*\[(?P<words>[^\]]{1,1024})\]"
)
_UNPACKED: Final = re.compile(
    r"\b(?:exec|eval|compile|Function|assert|loads"
    r"|create_function)\s*\(\s*(?:[\w.]{0,40}\(?\s*){0,4}(?:b64decode|base64_decode|atob"
    r"|fromhex|unhexlify|decompress|gzinflate|str_rot13|from\(\s*['\"][A-Za-z0-9+/=]{24,}['\"]\s*,\s*['\"]base64)",
    re.IGNORECASE,
)
_TREE: Final = re.compile(
    r"(?:shutil\.rmtree|rmtree|fs\.rm(?:dir)?Sync|fs\.rm|rimraf|FileUtils\.rm_rf"
    r"|deleteDirectory)\s*\(\s*(?:os\.path\.expanduser\()?"
    r"['\"](?:/|/\*|~/?|/(?:home|etc|usr|var|boot|root|bin)/?|[A-Za-z]:[\\/]{1,2})['\"]"
)
_SECRET_FILE: Final = re.compile(
    r"(?:open|read_text|readFile(?:Sync)?|file_get_contents|File\.read|Path"
    r"|expanduser)\s*\(\s*(?:os\.path\.\w+\()?[rbf]{0,2}['\"]"
    r"[^'\"]{0,120}(?:/etc/shadow|\.ssh/id_|\.aws/credentials|/proc/self/environ|\.kube/config|serviceaccount/token)"
)
_FETCHED: Final = re.compile(
    r"\b(?:exec|eval|Function|include|require)\s*\(?\s*[^;\n]{0,80}(?:urlopen\(|requests\.get\(|urllib\d?\.request|http\.get\("
    r"|file_get_contents\(\s*['\"]https?:|['\"]https?://)"
)
_ENVIRONMENT: Final = re.compile(
    r"(?:requests\.(?:post|put|get)|urlopen|fetch|axios(?:\.post)?|http\.request|curl_exec|sendto"
    r"|\.send)\s*\([^;\n]{0,300}"
    r"(?:os\.environ(?!\s*\[|\.get)|process\.env(?!\.)|dict\(os\.environ|\$_ENV|getenv\(\))"
)
_PICKLED: Final = re.compile(
    r"__reduce__|pickle\.loads?\(\s*(?:requests|urlopen|base64|bytes\.fromhex)"
    r"|yaml\.load\([^)]*Loader=yaml\.(?:Unsafe)?Loader"
)
_PLAIN: Final = (
    (_UNPACKED, UNPACKS),
    (_TREE, REMOVES_TREE),
    (_SECRET_FILE, READS_SECRET),
    (_ENVIRONMENT, SENDS_ENVIRONMENT),
    (_FETCHED, FETCHES),
    (_PICKLED, DESERIALISES),
)


def own(text: str) -> Iterator[Hit]:
    """Yield what code does by itself."""
    head = text[:CODE_MAX]
    for judgement in shell_foothold.code_judged(head):
        yield judgement.at(0, len(head))
    for pattern, judgement in _PLAIN:
        match = pattern.search(head)
        if match is not None:
            yield judgement.at(*match.span())


def commands(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the command lines code hands to a shell, and where they stand."""
    head = text[:CODE_MAX]
    for match in _COMMAND.finditer(head):
        yield match.group("text"), *match.span("text")
    for match in _LISTED.finditer(head):
        words = re.findall(r"['\"]([^'\"]{0,512})['\"]", match.group("words"))
        if words:
            yield " ".join(words), *match.span("words")
