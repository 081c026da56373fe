"""Commands by which somebody gets in, gets more rights, or makes sure to come back."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import INTERPRETERS, SHELLS, Program
from ringfence_pdp.filters.words import word_set

DOWNLOAD_RUN: Final = Judgement(
    "shell.download-and-run", "malware", HIGH, "what is fetched from elsewhere is run unread"
)
DECODE_RUN: Final = Judgement("shell.decode-and-run", "evasion", HIGH, "what is run was hidden by encoding")
REVERSE_SHELL: Final = Judgement("shell.reverse-shell", "malware", HIGH, "a shell is handed to another machine")
TUNNEL: Final = Judgement("shell.tunnel", "malware", MEDIUM, "a way into this network is opened from outside")
MINER: Final = Judgement("shell.miner", "malware", HIGH, "the machine is made to compute for somebody else")
ROOT_SHELL: Final = Judgement("shell.root-shell", "privilege", MEDIUM, "a shell with all rights is opened")
SETUID: Final = Judgement(
    "shell.setuid", "privilege", HIGH, "a program is given its owner's rights for whoever runs it"
)
OPENS_FILES: Final = Judgement("shell.opens-files", "privilege", MEDIUM, "everybody may change files")
OWNS: Final = Judgement("shell.takes-ownership", "privilege", HIGH, "files of the system are given to somebody else")
ACCOUNTS: Final = Judgement("shell.changes-accounts", "privilege", HIGH, "who may do what on the machine is changed")
ADDS_ACCOUNT: Final = Judgement(
    "shell.adds-account", "privilege", MEDIUM, "an account of the machine is added or changed"
)
ESCAPES: Final = Judgement("shell.escapes-container", "privilege", HIGH, "a container gets hold of its host")
PRELOADS: Final = Judgement(
    "shell.preloads", "privilege", MEDIUM, "programs are made to run somebody else's code first"
)
LOADS_MODULE: Final = Judgement("shell.loads-module", "privilege", MEDIUM, "code is put into the kernel")
PERSISTS: Final = Judgement("shell.persists", "malware", HIGH, "something is made to run again by itself")
SCHEDULES: Final = Judgement("shell.schedules", "malware", MEDIUM, "something is made to run later")
KEY_ADDED: Final = Judgement("shell.adds-key", "malware", HIGH, "a key is added that lets somebody log in")
SHELL_START: Final = Judgement("shell.changes-login", "malware", MEDIUM, "what runs at every login is changed")
STRANGE_SOURCE: Final = Judgement(
    "shell.strange-package-source", "malware", MEDIUM, "packages come from a source nobody vouches for"
)

ALL: Final = (
    *(DOWNLOAD_RUN, DECODE_RUN, REVERSE_SHELL, TUNNEL, MINER, ROOT_SHELL, SETUID, OPENS_FILES, OWNS, ACCOUNTS),
    *(ADDS_ACCOUNT, ESCAPES, LOADS_MODULE, PERSISTS, SCHEDULES, KEY_ADDED, SHELL_START, STRANGE_SOURCE),
)

FETCHERS: Final = word_set(
    "curl wget fetch aria2c lynx lwp-download lwp-request invoke-webrequest iwr irm invoke-restmethod http"
    " ftp tftp nc ncat telnet dig"
)
_DECODERS: Final = word_set("base64 base32 xxd openssl rev gunzip zcat uudecode certutil tr")
_RUNNERS: Final = SHELLS | INTERPRETERS | word_set("source . eval iex invoke-expression xargs")
_MINERS: Final = word_set(
    "xmrig minerd cpuminer cgminer bfgminer ethminer t-rex nbminer lolminer phoenixminer xmr-stak kinsing"
)
_STRANGE_SOURCE: Final = re.compile(r"\s(?:\S{1,24}=)?(?:git\+)?http://(?!localhost|127\.)|--trusted-host")
_NETCATS: Final = ("nc", "ncat", "netcat", "nc.traditional")
_SOCAT_RUNS: Final = re.compile(r"exec:|system:", re.IGNORECASE)
_TUNNELS: Final = word_set("ngrok chisel frpc cloudflared bore gost ligolo-agent gs-netcat localtunnel lt pagekite")
_STRONG_GROUPS: Final = re.compile(r"\b(?:sudo|wheel|root|admin|docker|disk|shadow|lxd)\b")
_SOCKET_CODE: Final = re.compile(
    r"socket|/inet/(?:tcp|udp)|TCPSocket|fsockopen|net\.Socket|require\(.net.\)|TcpClient", re.IGNORECASE
)
_SHELL_CODE: Final = re.compile(
    r"dup2|pty\.spawn|subprocess|/bin/(?:ba|da|z)?sh|exec\s*[({]|child_process|popen|cmd\.exe|STDIN->fdopen|getline",
    re.IGNORECASE,
)
_FOREIGN: Final = re.compile(
    r"curl|wget|nc\b|base64|/dev/tcp|bash -i|python|LD_PRELOAD|https?://|alias (?:sudo|su|ssh)=", re.IGNORECASE
)


def judged(program: Program) -> Iterator[Judgement]:
    """Yield how `program` lets somebody in."""
    if program.name in _RUNNERS:
        yield from _running(program)
    yield from _connecting(program)
    judge = _BY_NAME.get(program.name)
    if judge is not None:
        yield from judge(program)
    yield from _writing(program)
    if program.name in _MINERS or "stratum+" in program.line:
        yield MINER


def code_judged(code: str) -> Iterator[Judgement]:
    """Yield how code given to an interpreter lets somebody in."""
    if _SOCKET_CODE.search(code) and _SHELL_CODE.search(code):
        yield REVERSE_SHELL


def run_after_fetching(programs: Sequence[Program]) -> Iterator[tuple[Judgement, Program]]:
    """Yield what is run that an earlier program of the same line fetched and kept."""
    fetched: set[str] = set()
    for program in programs:
        given = program.operands if program.name in _RUNNERS else ()
        if program.name in fetched or any(_file_name(operand) in fetched for operand in given):
            yield DOWNLOAD_RUN.less(MEDIUM), program
        if program.name in FETCHERS:
            fetched.update(_kept(program))


def _kept(program: Program) -> Iterator[str]:
    args = program.args
    for place, arg in enumerate(args[:-1]):
        if arg in ("-o", "-O", "--output", "--output-document", "-OutFile", "-outfile"):
            yield _file_name(args[place + 1])
    yield from (_file_name(redirect.target.text) for redirect in program.redirects if redirect.operator == ">")
    yield from (_file_name(arg) for arg in args if "://" in arg and (program.name == "wget" or program.has("O")))


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2].lower() or "-"


def _running(program: Program) -> Iterator[Judgement]:
    """What is run that comes out of a pipe or a substitution."""
    before = program.before
    takes_input = program.name not in INTERPRETERS or not program.operands or program.operands == ("-",)
    for _ in range(8):
        if before is None or not takes_input or program.name == "xargs":
            break
        if before.name in FETCHERS:
            yield DOWNLOAD_RUN
        elif before.name in _DECODERS and _decodes(before):
            yield DECODE_RUN
        before = before.before
    if not program.heads or not program.inner:
        return
    runs_text = program.name in ("eval", "source", ".", "iex") or "c" in program.flags or program.args[:1] == ("$()",)
    if runs_text and not FETCHERS.isdisjoint(program.heads):
        yield DOWNLOAD_RUN
    if runs_text and any(head in _DECODERS for head in program.heads) and _decodes_any(program.inner):
        yield DECODE_RUN


def _decodes(program: Program) -> bool:
    return program.has("d", "D", "decode", "r", "-decode", "urlcache") or program.name in (
        "rev",
        "gunzip",
        "zcat",
        "uudecode",
    )


def _decodes_any(inner: tuple[str, ...]) -> bool:
    return any(
        re.search(r"base(?:64|32)\s+-?-[dD]|-decode|xxd\s+-r|\brev\b|enc\s+-d|gunzip|zcat|tr\s", text) for text in inner
    )


def _connecting(program: Program) -> Iterator[Judgement]:
    name, before = program.name, program.before
    if program.speaks_by_redirect:
        is_shell = name in SHELLS or name in ("exec", "") or program.has("i")
        yield REVERSE_SHELL if is_shell else REVERSE_SHELL.less(MEDIUM)
    if name in _NETCATS and not program.has("z") and (program.has("e", "exec", "sh-exec", "c") or _is_shell(before)):
        yield REVERSE_SHELL
    if name in SHELLS and before is not None and _hears(before):
        yield REVERSE_SHELL
    if name == "socat" and "tcp" in program.line.lower() and _SOCAT_RUNS.search(program.line):
        yield REVERSE_SHELL
    if name in _TUNNELS or (name == "ssh" and program.has("R")):
        yield TUNNEL


def _is_shell(program: Program | None) -> bool:
    return program is not None and program.name in SHELLS


def _hears(program: Program) -> bool:
    """Say whether a program writes what another machine says."""
    return program.name in ("nc", "ncat", "netcat", "telnet", "socat") or "s_client" in program.args


def _chmod(program: Program) -> Iterator[Judgement]:
    mode = program.args[0] if program.args else ""
    mode = next((arg for arg in program.args if re.fullmatch(r"[0-7]{3,4}|[ugoa]*[+=-][rwxXst]+(?:,.*)?", arg)), mode)
    targets = [places.plain(operand) for operand in program.operands[1:]]
    if re.fullmatch(r"[4267][0-7]{3}|.*\+.*s.*", mode) and not re.fullmatch(r"2[0-7]{3}|1[0-7]{3}|[go]*g[+=].*", mode):
        yield SETUID if mode[:1] != "2" else SETUID.less(LOW)
    is_open = re.fullmatch(r"[0-7]?[0-7]?77|0?666|[0-7]?[0-7]{2}[67]|(?:a|o|ugo|)[+=](?:r?wx?|rwX)", mode) is not None
    if not is_open:
        return
    if any(places.loss(target) is HIGH or places.is_accounts(target) for target in targets):
        yield OPENS_FILES._replace(severity=HIGH)
    elif program.has("R", "recursive"):
        yield OPENS_FILES if any(places.loss(target) for target in targets) else OPENS_FILES.less(LOW)
    else:
        yield OPENS_FILES.less(LOW)


def _chown(program: Program) -> Iterator[Judgement]:
    targets = [places.plain(operand) for operand in program.operands[1:]]
    if any(places.is_accounts(target) for target in targets) or (
        program.has("R", "recursive")
        and any(target in ("/", "/etc", "/usr", "/bin", "/var", "/boot") for target in targets)
    ):
        yield OWNS


def _group(program: Program) -> Iterator[Judgement]:
    grants = program.has("G", "aG", "g", "a", "groups") or program.name in ("gpasswd", "adduser", "addgroup")
    if (program.has("o", "non-unique") and "0" in program.args) or (
        grants and any(_STRONG_GROUPS.search(arg) for arg in program.args)
    ):
        yield ACCOUNTS
    elif program.operands:
        yield ADDS_ACCOUNT.less(LOW)


def _password(program: Program) -> Iterator[Judgement]:
    if program.name == "chpasswd" or "root" in program.operands or program.has("d", "delete"):
        yield ACCOUNTS
    elif program.before is not None:
        yield ADDS_ACCOUNT


def _escalation(program: Program) -> Iterator[Judgement]:
    """`su`, and `sudo` that starts nothing but a shell."""
    if program.has("l", "v", "k", "K", "V", "h", "e", "c"):
        return
    if program.name == "su" or not program.operands or program.operands[0] in SHELLS:
        yield ROOT_SHELL


def _container(program: Program) -> Iterator[Judgement]:
    line = program.line
    if re.search(
        r"--privileged\b|--pid[= ]host\b|--cap-add[= ](?:all|sys_admin)\b|(?:-v|--volume)[= ]?/:"
        r"|--mount\s+\S*(?:source|src)=/,|docker\.sock",
        line,
        re.IGNORECASE,
    ):
        yield (
            ESCAPES
            if re.search(r"(?:-v|--volume)[= ]?/:|src=/,|source=/,|--pid[= ]host", line)
            else ESCAPES.less(MEDIUM)
        )


def _nsenter(program: Program) -> Iterator[Judgement]:
    if program.has("t", "target", "a", "all"):
        yield ESCAPES


def _capability(program: Program) -> Iterator[Judgement]:
    if re.search(r"cap_(?:setuid|sys_admin|dac_|sys_ptrace|sys_module)", program.line):
        yield SETUID


def _module(program: Program) -> Iterator[Judgement]:
    if program.operands and not program.has("r", "n", "D", "show-depends"):
        yield LOADS_MODULE if program.name == "insmod" else LOADS_MODULE.less(LOW)


def _crontab(program: Program) -> Iterator[Judgement]:
    if (
        program.before is not None
        or program.operands
        or any(redirect.operator.startswith("<") for redirect in program.redirects)
    ):
        given = program.before.line if program.before is not None else program.line
        yield PERSISTS if _FOREIGN.search(given) else SCHEDULES


def _at(program: Program) -> Iterator[Judgement]:
    if program.before is not None:
        yield SCHEDULES.less(LOW)


def _launch(program: Program) -> Iterator[Judgement]:
    if any(arg in ("load", "bootstrap", "enable") for arg in program.operands) and any(
        "/tmp/" in arg or arg.startswith("./")  # noqa: S108 - a path that is judged
        for arg in program.operands
    ):
        yield PERSISTS


def _packages(program: Program) -> Iterator[Judgement]:
    installs = not {"install", "add", "i", "registry"}.isdisjoint(program.args)
    if installs and _STRANGE_SOURCE.search(program.line):
        yield STRANGE_SOURCE


def _writing(program: Program) -> Iterator[Judgement]:
    targets = [redirect.target.text for redirect in program.redirects if ">" in redirect.operator]
    if program.name in ("tee", "sponge"):
        targets += program.operands
    elif program.name in ("cp", "mv", "ln", "install", "rsync") and len(program.operands) > 1:
        targets.append(program.operands[-1])
    elif program.name == "sed" and program.has("i", "in-place"):
        targets += program.operands[1:]
    source = program.line + (program.before.line if program.before is not None else "")
    for text in targets:
        path = places.plain(text)
        if places.is_keys(path):
            yield KEY_ADDED
        elif places.is_accounts(path):
            yield ACCOUNTS
        elif places.is_startup(path):
            yield PERSISTS if _FOREIGN.search(source) or "cron" in path or "preload" in path else SCHEDULES
        elif places.is_shell_start(path):
            yield SHELL_START._replace(severity=HIGH) if _FOREIGN.search(source) else SHELL_START.less(LOW)


_BY_NAME: Final[Mapping[str, Callable[[Program], Iterator[Judgement]]]] = {
    "chmod": _chmod,
    **dict.fromkeys(("chown", "chgrp"), _chown),
    **dict.fromkeys(("useradd", "usermod", "adduser", "gpasswd", "addgroup"), _group),
    **dict.fromkeys(("passwd", "chpasswd"), _password),
    **dict.fromkeys(("su", "sudo", "doas"), _escalation),
    **dict.fromkeys(("docker", "podman", "nerdctl"), _container),
    "nsenter": _nsenter,
    "setcap": _capability,
    **dict.fromkeys(("insmod", "modprobe", "kextload"), _module),
    "crontab": _crontab,
    **dict.fromkeys(("at", "batch"), _at),
    **dict.fromkeys(("launchctl", "systemctl"), _launch),
    **dict.fromkeys(("pip", "pip3", "npm", "yarn", "gem", "uv", "pnpm"), _packages),
}
