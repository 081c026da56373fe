"""Command lines that look around or get in, standing where nobody said that a command belongs.

`uname -a` in an argument called `command` is work; in a title, a name or a note it is what somebody tries who wants to
know whether values reach a shell. The rules:

- only what is such a command line as a whole counts, never a sentence about it;
- builds, searches and edits are not among them: people put those into notes every day;
- a contract that says shell or code, or a name that says so, ends the matter.
"""

import re
from collections.abc import Iterator
from typing import Final

from ringfence_pdp.filters.analysers.judgement import MEDIUM, Hit, Judgement
from ringfence_pdp.filters.finding import Argument, ArgumentType
from ringfence_pdp.filters.words import word_set, words_of

STRAY: Final = Judgement(
    "shell.stray-command", "payload", MEDIUM, "a command that looks around or gets in stands where no command belongs"
)

ALL: Final = (STRAY,)

_LENGTH_MAX: Final = 240
"""What bounds the time of these expressions, which are not linear: half a millisecond at worst."""
_ASKED_FOR: Final = word_set(
    "command commands cmd cmdline shell bash exec script scripts code program executable binary interpreter line input"
    " args argv arguments entrypoint run step steps hook task terminal console powershell snippet"
)
_LOOKS_AROUND: Final = (
    r"whoami(?:\s+/\w+)?|ifconfig(?:\s+-?\w+)?|ipconfig(?:\s+/\w+)?|systeminfo|printenv(?:\s+\w+)?|lastlog|lsmod"
    r"|netstat(?:\s+-\w+)*|tasklist(?:\s+/\w+)*|uname\s+-\w+|ps\s+(?:aux|-\w+)|arp\s+-a|route\s+(?:-n|print)"
    r"|ss\s+-\w+|lsof\s+-i\S*|sudo\s+-l|id\s+-\w+|crontab\s+-l|last\s+-\w+|ip\s+(?:a|addr|route)|getent\s+passwd"
    r"|find\s+/\s+-perm\s+\S+.*|net\s+(?:user|view|localgroup|share|start|use|group|accounts)\b.*"
)
_READS: Final = (
    r"(?:cat|head|tail|more|less|tac|nl|strings|od|xxd|hexdump|base64|vim?|nano|tee|cp|mv|ls|grep\s+\S+)(?:\s+-\S+)*"
    r"\s+[\"']?(?:/etc/|/proc/|/root\b|/var/log/|/home/\S*/\.|~/\.)\S*(?:\s+\S+){0,2}|ls\s+-\w+\s+/|ls\s+/"
    r"|(?:type|dir|more|copy|del)\s+(?:/\w\s+)*[\"']?[a-z]:[\\/]\S*.*"
)
_REACHES_OUT: Final = (
    r"ping\s+-[cnwi]\s*\d+\s+\S+.*|nslookup\s+\S+|telnet\s+\S+\s+\d+|(?:nc|ncat|netcat)\s+\S.*\d|nmap\s+\S.*"
    r"|t?ftp\s+\S+(?:\s+\S+)*|(?:wget|curl)\s+(?:-\S+\s+)*(?:(?:https?|ftp)://)?(?:\d+(?:\.\d+){3}\S*|[\w.:-]+"
    r"|\S+\.(?:sh|txt|php|pl|py|exe|elf|bin|ps1|jsp|asp))(?:\s+-\S+)*|socat\s+\S.*|ssh\s+\S+@\S+|xterm\s+-display\s.*"
)
_RUNS: Final = (
    r"(?:python\d?(?:\.\d+)?|perl|php|ruby|node|lua|tclsh|bash|sh|zsh|ksh|dash|csh)\s+-(?:c|e|r|i|ne|pe|E|lc|ic)\b.*"
    r"|alias\s+[\w-]+=\S+.*|(?:sleep|timeout)\s+\d+(?:\.\d+)?[smh]?|busybox\s+\w+.*|kill\s+-(?:9|kill)\s+-?\d+"
    r"|chmod\s+(?:777|0777|\+x|u\+s|4755)\s+\S+|chown\s+root\S*\s+\S+|su\s+-\s*\w*|eval\s+[\"'$`].*"
    r"|printf\s+\S+\s*\|\s*(?:ba)?sh|gcc\s+\S+\.c(?:\s+-o\s+\S+)?"
)
_WINDOWS: Final = (
    r"(?:cmd|command\.com|powershell|pwsh)(?:\.exe)?\s+[/-]\w.*|reg(?:\.exe)?\s+(?:query|add|delete|save|export)\s+hk.*"
    r"|sc(?:\.exe)?\s+(?:query|stop|config|delete|create)\b.*|wmic\s+\w+.*|schtasks\s+/.*|netsh\s+(?:adv)?fi\w+.*"
    r"|echo\s+%(?:user\w*|path|computername|os|appdata|temp|windir|comspec)%|set\s+/a\s.*|(?:cscript|wscript|msbuild|installutil|rundll32|regsvr32|mshta|certutil|bitsadmin"
    r"|forfiles|msiexec|quser|qwinsta|nltest|dsquery|gpresult)(?:\.exe)?\s+\S.*|(?:start|explorer|copy)\s+\\\\\S+.*"
    r"|(?:invoke-(?:expression|webrequest|command|wmimethod|restmethod)|get-(?:process|wmiobject|childitem|content"
    r"|service|aduser|acl|ciminstance|clipboard|eventlog|localuser)|start-process|new-object|stop-process|set-mppreference"
    r"|out-file|add-type|iex|iwr|gci|gwmi)\s+\S.*|systeminfo\s*\|.*"
)
_WHOLE: Final = re.compile(
    r"\s*[\"'`]?(?:\w{1,20}=)?(?:(?:sudo|time|nohup|command|exec|nice|env)\s+)*(?:/(?:usr/)?(?:local/)?s?bin/)?"
    rf"(?:{_LOOKS_AROUND}|{_READS}|{_REACHES_OUT}|{_RUNS}|{_WINDOWS})[\"'`]?\s*[;&|#]{{0,2}}\s*",
    re.IGNORECASE,
)
_PROSE: Final = re.compile(
    r"[.!?,]\s+[A-Z]?[a-z]+\s|\s(?:the|is|are|you|your|please|our|this|that|how|what|why)\s", re.IGNORECASE
)
_FIRST: Final = re.compile(r"[A-Za-z/\"'`\s]")


def hits(argument: Argument, text: str) -> Iterator[Hit]:
    """Yield that an argument is a command line of that kind, when it is not an argument for commands."""
    if len(text) > _LENGTH_MAX or "\n" in text.strip() or not _FIRST.match(text) or _is_asked_for(argument):
        return
    if _WHOLE.fullmatch(text) and not _PROSE.search(text):
        yield STRAY.at(0, len(text))


def _is_asked_for(argument: Argument) -> bool:
    """Say whether the contract or the name says that this is where commands go."""
    if argument.is_declared and argument.type in (ArgumentType.SHELL, ArgumentType.CODE, ArgumentType.SQL):
        return True
    names = [part for part in argument.pointer.split("/") if part and not part.isdigit()]
    return bool(names) and not _ASKED_FOR.isdisjoint(words_of(names[-1]))
