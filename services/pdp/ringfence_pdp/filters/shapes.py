"""What a text plainly is as a whole: a statement, a command line, a URL, a path, or one short value.

The rules:

- a shape is only taken for what it is when prose hardly ever has it: `find the cheapest flight` is no command and
  `select the best of these` is no statement;
- each test is one pass over a bounded head of the text.
"""

import re
from typing import Final

from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.words import word_set

HEAD_MAX: Final = 16_384
_SCALAR_MAX: Final = 160
_SCALAR_SPACES_MAX: Final = 16
_FEW_WORDS: Final = 4

_URL: Final = re.compile(r"\s*[a-z][a-z0-9+.\-]{1,20}:/{1,3}[^\s<>\"]+\s*", re.IGNORECASE)
_PATH: Final = re.compile(r"(?:/|~/|\.{1,2}/|[A-Za-z]:[\\/]|\\\\)[^\s:;|&<>\"']*")
_NAME: Final = r"[\w.\"`\[\]*]+"
_STATEMENT: Final = re.compile(
    r"[\s(;]*(?:/\*[^*]{0,80}\*/\s*)?(?:"
    r"select\b(?!\s+(?:the|an?(?!\s*(?:from\b|,))|one|your|all\s+the|from\s+the)\b)[^?]{1,4000}?\bfrom\s+[\w\"`\[(]"
    r"|select\s*\(\s*\(?\s*select\b|select\s+(?:[\w.]+\s*\(|@@|null\b|[0-9])"
    rf"|insert\s+into\s+{_NAME}\s*(?:\(|values\b|select\b)"
    rf"|update\s+{_NAME}\s+(?:as\s+\w+\s+)?set\s+{_NAME}\s*="
    rf"|delete\s+from\s+{_NAME}\s*(?:;|$|--|where\b|using\b|as\b|limit\b)"
    r"|(?:drop|alter|truncate|create)\s+(?:temp\w*\s+|unique\s+|or\s+replace\s+)?"
    r"(?:table|database|schema|view|index|user|role|function|procedure|trigger|login)\s+"
    rf"(?:if\s+(?:not\s+)?exists\s+)?{_NAME}\s*(?:;|$|--|\(|,|(?:add|drop|cascade|rename|as|on|with|identified|returns"
    r"|alter|modify)\b)"
    rf"|truncate\s+(?:table\s+)?{_NAME}\s*(?:;|$|--|cascade\b)"
    rf"|grant\s+[\w ,]{{1,200}}\s(?:on|to)\s+{_NAME}\s*(?:to\b|;|$|with\b)"
    r"|with\s+(?:recursive\s+)?\w+\s*(?:\([\w, ]{0,200}\)\s*)?as\s*\("
    r"|merge\s+into\s+\w|exec(?:ute)?\s+(?:xp_|sp_|master)"
    r"|copy\s+[\w.(][^;]{0,400}\b(?:to|from)\s+(?:program|'|stdin|stdout)"
    r"|shutdown\s*(?:;|--|with\s+nowait)"
    r")",
    re.IGNORECASE,
)

_PLAIN_COMMANDS: Final = word_set(
    "rm rmdir curl wget chmod chown chgrp dd mkfs shred nc ncat netcat socat ssh scp sftp rsync tar sed awk gawk grep"
    " egrep fgrep zgrep kubectl helm docker podman git npm npx yarn pnpm pip pip3 apt apt-get yum dnf brew systemctl"
    " journalctl iptables nft ufw crontab bash sh zsh dash ksh perl ruby php node python python2 python3 powershell"
    " powershell.exe pwsh cmd.exe certutil bitsadmin schtasks wmic vssadmin wevtutil bcdedit cipher rundll32 regsvr32"
    " mshta aws gcloud az gsutil terraform useradd usermod userdel adduser groupadd visudo insmod modprobe tcpdump"
    " nmap xargs tee ln mkdir cp mv ls ps pgrep pkill killall sudo doas su chroot mkfifo mknod unzip gzip gunzip"
    " bzip2 zip base64 openssl gpg xxd ping traceroute dig nslookup ifconfig ip netstat ss lsof strace fdisk parted"
    " mkswap wipefs umount swapoff sysctl setfacl chattr setcap passwd nohup tmux crontab psql mysql mysqldump pg_dump"
    " sqlite3 mongo redis-cli go cargo rustc gcc g++ cmake jq env export alias unset printf realpath readlink"
    " basename dirname uniq wc du df sha256sum md5sum hostname uname whoami getent eval icacls takeown"
    " get-childitem get-content remove-item invoke-webrequest invoke-expression iex iwr set-executionpolicy"
    " start-process new-object del-item format-volume stop-service disable-windowsoptionalfeature add-mppreference"
    " set-mppreference setenforce auditctl dmesg cmd nsenter semanage aa-disable fsutil diskpart auditpol netsh"
)
_WORDS_TOO: Final = word_set(
    "find cat make kill sort cut test who last history time watch at head tail more less touch file split join date"
    " echo look write wall mail open start copy move del erase type set service mount host top free screen format net"
    " sc reg source exec cd pwd id train shutdown reboot halt truncate rename diff patch cmp column paste nl rev man"
    " read trap rd dir attrib robocopy xcopy route arp"
)
_SPEECH: Final = word_set(
    "a an the is are was were be been to and or of for from with without in on at as by it its this that these those my"
    " your our their his her me us we you they i can could should would will please how what why when where which who"
    " if then than so but not do does did have has had all every any some there here into about using uses use"
)
_OPERATOR: Final = re.compile(r"[|;&<>$`]|&&")
_SEPARATOR: Final = re.compile(r"\$\{?IFS\}?")
_FLAG: Final = re.compile(r"\s--?[A-Za-z]")
_SERVICE_VERBS: Final = ("stop", "start", "restart", "status", "reload")
_ARGUMENT: Final = re.compile(r"--?[A-Za-z0-9?]|[/~.$\"'*0-9\\%]|[A-Za-z]:(?:\\|\s|$)|\w+=|\w+\.\w|@")
_LEAD: Final = re.compile(r"(?:\$\s+|[A-Z_][A-Z0-9_]{0,40}=\S{0,200}\s+|sudo\s+(?:-\w+\s+)*)+")
_LOOP: Final = re.compile(r"(?:for\s+\w+\s+in\s|(?:while|until|if)\s)[^\n]{1,400}?[;\n]\s*(?:do|then)\s")
_NEXT: Final = re.compile(r"(?:\||&&|;)\s*(?:sudo\s+)?([\w.+-]{1,32})(?:\s|$)")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


def shape_of(text: str) -> ArgumentType | None:
    """Return what `text` plainly is as a whole, or None."""
    head = text[:HEAD_MAX]
    if ":/" in head[:24] and _URL.fullmatch(head):
        return ArgumentType.URL
    if looks_like_sql(head):
        return ArgumentType.SQL
    if looks_like_shell(head):
        return ArgumentType.SHELL
    if _PATH.fullmatch(head):
        return ArgumentType.PATH
    return None


def is_scalar(text: str) -> bool:
    """Say whether `text` is short enough to be one value."""
    return len(text) <= _SCALAR_MAX and "\n" not in text and text.count(" ") < _SCALAR_SPACES_MAX


def looks_like_sql(text: str) -> bool:
    """Say whether `text` begins as a statement in SQL does, and goes on as one."""
    return _STATEMENT.match(text[:HEAD_MAX]) is not None


def looks_like_shell(text: str) -> bool:
    """Say whether `text` begins with a command and goes on as a command line does."""
    line = _SEPARATOR.sub(" ", text[:HEAD_MAX].strip())
    rest = line[lead.end() :] if (lead := _LEAD.match(line)) else line
    words = rest.split(None, 1)
    if len(words) < 2 or _LOOP.match(rest):
        return len(words) > 1
    name = words[0].rpartition("/")[2].lower().removesuffix(".exe")
    known = name in _PLAIN_COMMANDS or name.startswith("mkfs.")
    if not known and name not in _WORDS_TOO:
        return False
    following = words[1].split("\n", 1)[0]
    spoken = _QUOTED.sub(" ", following).lower().split()
    if not _SPEECH.isdisjoint(spoken[:12] if known else spoken):
        return lead is not None and lead.group().startswith("sudo") and _ARGUMENT.match(following) is not None
    if _ARGUMENT.match(following) or _goes_on(following):
        return True
    if not known:
        return name == "service" and len(spoken) == 2 and spoken[1] in _SERVICE_VERBS
    return len(spoken) < _FEW_WORDS or _OPERATOR.search(following) is not None or _FLAG.search(following) is not None


def _goes_on(following: str) -> bool:
    """Say whether another command follows, in a pipe or behind this one."""
    after = _NEXT.search(following[:400])
    return after is not None and (after.group(1) in _PLAIN_COMMANDS or after.group(1) in _WORDS_TOO)
