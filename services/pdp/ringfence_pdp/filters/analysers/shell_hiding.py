"""Commands that switch off who watches, or wipe away what was seen."""

import re
from collections.abc import Iterator
from typing import Final

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import Program
from ringfence_pdp.filters.words import word_set

STOPS_WATCH: Final = Judgement(
    "shell.stops-watching", "evasion", HIGH, "what guards or watches the machine is switched off"
)
OPENS_FIREWALL: Final = Judgement("shell.opens-firewall", "evasion", HIGH, "the firewall is switched off")
WIPES_LOGS: Final = Judgement("shell.wipes-logs", "evasion", HIGH, "logs are deleted or emptied")
WIPES_HISTORY: Final = Judgement("shell.wipes-history", "evasion", HIGH, "what was typed is not to be found again")
DISGUISED: Final = Judgement(
    "shell.disguised-command", "evasion", MEDIUM, "the name of a program is written so that it is not seen"
)
PRELOADS: Final = Judgement("shell.preloads", "privilege", MEDIUM, "programs run somebody else's code first")
FAKES_TIME: Final = Judgement("shell.fakes-time", "evasion", LOW, "when a file was changed is faked")

ALL: Final = (STOPS_WATCH, OPENS_FIREWALL, WIPES_LOGS, WIPES_HISTORY, DISGUISED, PRELOADS, FAKES_TIME)

_GUARDS: Final = re.compile(
    r"(?:auditd|rsyslogd?|syslog(?:-ng)?|systemd-journald|fail2ban|ufw|firewalld|nftables|iptables|apparmor"
    r"|selinux|clamav"
    r"|clamd|crowdstrike|falcon-sensor|falcond|osqueryd|wazuh(?:-agent)?|ossec|aide|tripwire|sysmon|windefend"
    r"|mpssvc|wscsvc"
    r"|mdatp|sentinel(?:one|agent)?|cbdaemon|cbagentd|eventlog|sense|ds_agent|filebeat|auditbeat|fluentd|fluent-bit"
    r"|amazon-cloudwatch-agent|datadog-agent|security-agent)(?:\.service|\.exe)?",
    re.IGNORECASE,
)
_STOPS: Final = word_set("stop disable mask kill off")
_FIREWALLS: Final = re.compile(
    r"^ufw (?:--force )?(?:disable|reset)|^ip6?tables (?:-t \w+ )?(?:-F|--flush|-X|-P (?:INPUT"
    r"|FORWARD) ACCEPT)|^nft flush ruleset"
    r"|^setenforce 0|^(?:sed|echo) .*selinux=(?:disabled|permissive)|^netsh (?:advfirewall"
    r"|firewall) set .*(?:state off|disable)"
    r"|^pfctl -d|^firewall-cmd .*--(?:panic-off|set-default-zone=trusted)|^aa-(?:disable|teardown)"
    r"|^spctl --master-disable"
    r"|^csrutil disable|^set-netfirewallprofile .*-enabled (?:\$?false|0)",
    re.IGNORECASE,
)
_LOGS: Final = re.compile(
    r"^auditctl (?:-e ?0|-D)|^journalctl .*--vacuum-(?:time|size|files)=(?:0|1)\w?\b"
    r"|^wevtutil(?:\.exe)? (?:cl|clear-log)"
    r"|^auditpol .*(?:/clear|/remove|/success:disable|/failure:disable)|^clear-eventlog|^remove-eventlog"
    r"|^fsutil usn deletejournal"
    r"|^dmesg -[cC]\b|^limit-eventlog|^(?:last|utmpdump).*-r\b",
    re.IGNORECASE,
)
_HISTORY: Final = re.compile(
    r"^history (?:-c|-w|-cw|-d)|^unset (?:.*\s)?HIST(?:FILE|SIZE)|^set \+o history"
    r"|^(?:export )?HIST(?:FILE)?SIZE=0|HISTFILE=/dev/null"
    r"|^clear-history|HISTCONTROL=ignore(?:space|both)$|^(?:export )?HISTFILE=(?:$|\s)"
)
_HISTORY_FILE: Final = re.compile(r"\.(?:bash|zsh|sh|mysql|psql|python)_history$|consolehost_history\.txt$")
_DEFENDER: Final = re.compile(
    r"set-mppreference .*-disable\w+ (?:\$?true|1)|add-mppreference .*-exclusion|uninstall-windowsfeature .*defender"
    r"|disablentispyware|disableantispyware|disablerealtimemonitoring|amsiinitfailed|amsiutils|etweventwrite",
    re.IGNORECASE,
)


def judged(program: Program) -> Iterator[Judgement]:
    """Yield what `program` hides."""
    line = program.line
    if program.is_disguised:
        yield DISGUISED
    if _FIREWALLS.search(line):
        yield OPENS_FIREWALL
    if _LOGS.search(line):
        yield WIPES_LOGS
    if _HISTORY.search(line):
        yield WIPES_HISTORY
    if _DEFENDER.search(line) or _stops_guard(program):
        yield STOPS_WATCH
    yield from _erasing(program)
    if (
        program.name == "touch"
        and program.has("r", "t", "d", "reference")
        and any(arg.startswith(("/bin/", "/usr/", "/etc/", "/lib")) for arg in program.operands)
    ):
        yield FAKES_TIME


def assigned(text: str) -> Iterator[Judgement]:
    """Yield what settings alone hide, where no program is run: `HISTFILE=/dev/null`."""
    if re.search(r"\bHISTFILE=(?:/dev/null|\s|;|$|\"\")|\bHISTSIZE=0\b|\bHISTFILESIZE=0\b", text):
        yield WIPES_HISTORY
    if re.search(r"\bLD_PRELOAD=[\"']?/(?:tmp|dev/shm|var/tmp|home)/", text):
        yield PRELOADS


def _stops_guard(program: Program) -> bool:
    name, args = program.name, program.args
    stopping = (
        (name in ("systemctl", "service", "rc-service", "sc", "net", "chkconfig", "update-rc.d", "launchctl"))
        and any(arg.lower() in (*_STOPS, "delete", "unload", "remove", "start=disabled") for arg in args)
    ) or name in ("killall", "pkill", "kill", "taskkill", "stop-service", "stop-process", "set-service")
    named = (*(arg.rpartition("/")[2] for arg in args), *(word for text in program.inner for word in text.split()))
    return stopping and any(map(_GUARDS.fullmatch, named))


def _erasing(program: Program) -> Iterator[Judgement]:
    targets = [redirect.target.text for redirect in program.redirects if redirect.operator in (">", ">|")]
    if program.name in ("rm", "shred", "truncate", "srm", "unlink", "del"):
        targets += program.operands
    elif program.name in ("cp", "ln", "cat") and "/dev/null" in program.args and program.operands:
        targets.append(program.operands[-1])
    elif program.name == "sed" and program.has("i"):
        targets += program.operands[1:]
    elif program.name == "find" and program.has("delete"):
        targets += program.operands[:1]
    for text in targets:
        path = places.plain(text)
        if _HISTORY_FILE.search(path):
            yield WIPES_HISTORY
        elif path.startswith("/var/log") or path in ("/var/run/utmp", "/run/utmp"):
            rotated = re.search(r"\.(?:gz|\d+|old|bz2|xz)$", path) or program.name == "find"
            writes = program.redirects and program.name not in ("", ":", "cat", "echo", "true")
            yield WIPES_LOGS.less(LOW) if rotated or writes else WIPES_LOGS
