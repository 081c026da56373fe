"""Commands that read what is secret, or send something out of the machine."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ringfence_pdp.filters.analysers import places, urls
from ringfence_pdp.filters.analysers.hosts import Where, where
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import Program
from ringfence_pdp.filters.words import word_set

READS_SECRET: Final = Judgement(
    "shell.reads-secret", "credential", HIGH, "a file is read in which keys or passwords are kept"
)
READS_PRIVATE: Final = Judgement("shell.reads-private", "credential", MEDIUM, "a file is read that often holds secrets")
METADATA: Final = Judgement(
    "shell.asks-metadata", "credential", HIGH, "the machine's own cloud credentials are asked for"
)
ASKS_SECRET: Final = Judgement("shell.asks-secret-store", "credential", MEDIUM, "a store of secrets is asked for one")
DUMPS: Final = Judgement(
    "shell.dumps-credentials", "credential", HIGH, "a tool for stealing or cracking credentials is run"
)
SENDS_SECRET: Final = Judgement("shell.sends-secret", "exfiltration", HIGH, "what is secret is sent to another machine")
SENDS_FILE: Final = Judgement("shell.sends-file", "exfiltration", MEDIUM, "a file is sent to another machine")
SENDS_OUTPUT: Final = Judgement(
    "shell.sends-output", "exfiltration", HIGH, "what a command finds is sent to another machine"
)
COPIES_OUT: Final = Judgement("shell.copies-out", "exfiltration", LOW, "files are copied to another machine")
COLLECTOR: Final = Judgement(
    "shell.speaks-to-collector", "exfiltration", HIGH, "the host shows what it was sent to whoever set it up"
)
IN_A_NAME: Final = Judgement(
    "shell.data-in-lookup", "exfiltration", HIGH, "data is put into a name that is looked up elsewhere"
)
LISTENS_IN: Final = Judgement(
    "shell.listens-in", "exfiltration", MEDIUM, "what others send over the network is recorded"
)

ALL: Final = (
    *(READS_SECRET, READS_PRIVATE, METADATA, ASKS_SECRET, DUMPS, SENDS_SECRET, SENDS_FILE, SENDS_OUTPUT, COPIES_OUT),
    *(COLLECTOR, IN_A_NAME, LISTENS_IN),
)

READERS: Final = word_set(
    "cat tac nl less more head tail bat view vi vim nano emacs grep egrep fgrep zgrep rg ag awk gawk sed cut"
    " sort uniq od"
    " xxd hexdump strings base64 base32 openssl gpg cp mv tar zip 7z gzip bzip2 xz rsync scp sftp dd tee"
    " diff cmp rev fold"
    " paste jq yq python python3 perl ruby node php source . type more get-content gc copy xcopy robocopy"
    " curl wget nc ncat"
    " socat ln install file-read mapfile read while john hashcat unshadow sqlite3 strings pr split csplit iconv ed"
)
_HANDLERS: Final = word_set("openssl cp mv ln install rsync nano vi vim emacs sed source . touch python python3 node")
"""They take keys from one place to another, or use them for what they are for."""
_PAYLOAD: Final = re.compile(r"(?:\./)?(?:[\w-]+/){0,8}[\w.-]+\.(?:json|xml|ya?ml|graphql|png|jpe?g|gif|svg|webp)")
_BETWEEN: Final = re.compile(r"[\s|;&<>]+")
_NEVER_SENDS: Final = word_set("localhost 127.0.0.1 ::1 0.0.0.0")
_FETCHERS: Final = word_set(
    "curl wget http https httpie xh aria2c fetch lwp-request invoke-webrequest iwr invoke-restmethod irm"
)
_UPLOADS: Final = word_set(
    "d data data-binary data-raw data-urlencode data-ascii F form T upload-file post-file body-file infile json"
)
_RAW: Final = word_set("nc ncat netcat socat telnet openssl nc.traditional nc.openbsd")
_LOOKUPS: Final = word_set("dig nslookup host ping drill getent resolvectl traceroute")
_TELLS_ALL: Final = word_set(
    "env printenv set history mysqldump pg_dump pg_dumpall mongodump export declare tar zip 7z"
)
_CRACKERS: Final = word_set(
    "mimikatz john hashcat hydra medusa secretsdump secretsdump.py lazagne laZagne crackmapexec cme netexec"
    " nxc responder"
    " kerbrute rubeus sharphound bloodhound-python pypykatz gsecdump fgdump pwdump procdump unshadow linpeas.sh linpeas"
    " winpeas chisel evil-winrm impacket-secretsdump sqlmap msfvenom msfconsole beef-xss ettercap bettercap aircrack-ng"
    " hcxdumptool truffleproxy keyhunter"
)
_STORES: Final = (
    (
        re.compile(
            r"^aws (?:.* )?secretsmanager get-secret-value|^aws (?:.* )?ssm get-parameters?\b.*--with-decryption"
        ),
        MEDIUM,
    ),
    (
        re.compile(
            r"^aws (?:.* )?(?:configure (?:get|export-credentials)|sts get-session-token|ecr get-login-password)"
        ),
        LOW,
    ),
    (
        re.compile(r"^gcloud (?:.* )?(?:auth (?:application-default )?print-access-token|secrets versions access)"),
        MEDIUM,
    ),
    (re.compile(r"^az (?:.* )?(?:keyvault secret (?:show|download)|account get-access-token)"), MEDIUM),
    (
        re.compile(r"^kubectl (?:.* )?(?:get|describe) secrets?\b.*(?:-o|--output|--template|jsonpath|yaml|json)"),
        MEDIUM,
    ),
    (re.compile(r"^(?:vault (?:kv get|read)|op (?:read|item get)|pass show|bw get|doppler secrets)\b"), LOW),
    (re.compile(r"^security (?:find-(?:generic|internet)-password\b.*-[gw]|dump-keychain)"), HIGH),
    (re.compile(r"^gpg2? .*--export-secret-(?:sub)?keys|^(?:secretsdump|lsadump)"), HIGH),
    (re.compile(r"^reg save hk(?:lm|ey_local_machine)\\\\?(?:sam|security|system)\b", re.IGNORECASE), HIGH),
    (re.compile(r"comsvcs(?:\.dll)?.*minidump|\blsass\b|^ntdsutil .*ifm|^vssadmin create shadow", re.IGNORECASE), HIGH),
    (re.compile(r"^cmdkey /list|^vaultcmd /list|^netsh wlan show profile.*key=clear", re.IGNORECASE), MEDIUM),
)
_REMOTE_PATH: Final = re.compile(r"^(?:[\w.\-]+@)?[\w.\-]+:(?!\\)[^:]*$|^(?:rsync|sftp|scp|s3|gs|ftp)://")
_HOST: Final = re.compile(r"^(?:[\w.+-]+:)?//(?:[^/@]*@)?([^/:?#]+)|^([\w-]+(?:\.[\w-]+)+)(?=[:/?#]|$)")


def judged(program: Program) -> Iterator[Judgement]:
    """Yield what `program` gives away."""
    yield from _reading(program)
    yield from _asking(program)
    yield from _speaking(program)
    sends = _BY_NAME.get(program.name)
    if sends is not None:
        yield from sends(program)
    if program.name in _LOOKUPS and _finds_something(program) and any("$()" in operand for operand in program.operands):
        yield IN_A_NAME
    if program.speaks_by_redirect and _tells_much(program):
        yield SENDS_OUTPUT


def reads_secret(program: Program | None) -> bool:
    """Say whether a program, or one before it in the pipe, reads what is secret."""
    for _ in range(16):
        if program is None:
            return False
        if READS_SECRET in _reading(program):
            return True
        program = program.before
    return False


def _reading(program: Program) -> Iterator[Judgement]:
    read = [redirect.target.text for redirect in program.redirects if redirect.operator == "<"]
    if program.name in READERS or program.name == "$()" or program.is_disguised:
        read += [*program.args, *(arg.partition("=")[2] for arg in program.args if "=" in arg)]
    for text in read:
        path = places.plain(text.lstrip("@"))
        if path.endswith(".pub") or path.startswith("-"):
            continue
        how = places.secrecy(path)
        if how is HIGH or places.is_keys(path):
            yield READS_SECRET
        elif how is MEDIUM and program.name not in _HANDLERS:
            yield READS_PRIVATE


def _asking(program: Program) -> Iterator[Judgement]:
    if program.name in _CRACKERS or program.name.removesuffix(".py") in _CRACKERS:
        yield DUMPS
        return
    line = program.line
    for pattern, severity in _STORES:
        if pattern.search(line):
            yield ASKS_SECRET._replace(severity=severity) if severity is not HIGH else DUMPS
            return


def _speaking(program: Program) -> Iterator[Judgement]:
    for arg in program.args:
        host = _host(arg)
        if not host:
            continue
        place = where(host)
        if place is Where.METADATA:
            yield METADATA
        elif place is Where.COLLECTOR:
            yield COLLECTOR
        elif "://" in arg and urls.DISGUISED in (hit.judgement for hit in urls.hits(arg)):
            yield urls.DISGUISED
    if program.name in _FETCHERS:
        for arg in program.args:
            if arg.lower().startswith(("file:", "gopher:", "dict:", "ldap:")):
                yield from (hit.judgement for hit in urls.hits(arg) if hit.judgement in (urls.FILE, urls.SCHEME))


def _fetcher(program: Program) -> Iterator[Judgement]:
    if all(_host(arg) in _NEVER_SENDS for arg in program.args if "://" in arg) and any(
        "://" in arg for arg in program.args
    ):
        return
    args = program.args
    uploads = any(arg.lstrip("-").partition("=")[0] in _UPLOADS and arg.startswith("-") for arg in args)
    from_file = any(_names_file(args, place) for place in range(len(args)))
    if from_file and (reads_secret(program._replace(before=None)) or _names_accounts(program)):
        yield SENDS_SECRET
    elif from_file:
        from_stdin = any(arg in ("@-", "-") or arg.endswith("=@-") for arg in args) or program.has("T")
        if from_stdin and reads_secret(program.before):
            yield SENDS_SECRET
        elif from_stdin and program.before is not None and _tells_much(program.before):
            yield SENDS_OUTPUT
        else:
            yield SENDS_FILE.less(LOW) if _sends_payload(args) else SENDS_FILE
    if uploads or any("://" in arg and "$()" in arg for arg in args):
        if _finds_something(program):
            yield SENDS_OUTPUT
        elif _reads_something(program):
            yield SENDS_FILE
    if any(
        urls.PLACEHOLDER in (hit.judgement for hit in urls.hits(arg))
        for arg in args
        if "://" in arg and "$()" not in arg
    ):
        yield SENDS_SECRET.less(MEDIUM)


def _sends_payload(args: tuple[str, ...]) -> bool:
    """Say whether every file that is sent is what requests are made of: a document or a picture of this project."""
    files = [arg.rpartition("@")[2] for arg in args if "@" in arg and "://" not in arg]
    return bool(files) and all(_PAYLOAD.fullmatch(name) for name in files)


def _names_accounts(program: Program) -> bool:
    return any(places.is_accounts(places.plain(arg.rpartition("@")[2])) for arg in program.args)


def _names_file(args: tuple[str, ...], place: int) -> bool:
    """Say whether the argument at `place` is a file that is sent."""
    arg = args[place]
    name, is_joined, value = arg.lstrip("-").partition("=")
    if not arg.startswith("-"):
        return False
    if name in ("post-file", "body-file", "upload-file", "T", "infile"):
        return True
    if name[:1] in "dF" and name not in _UPLOADS and arg.startswith("-") and not arg.startswith("--"):
        return "@" in name[1:2] or "=@" in arg
    if name not in _UPLOADS:
        return False
    following = value if is_joined else (args[place + 1] if place + 1 < len(args) else "")
    return following.startswith("@") or "=@" in following or "=<" in following


def _raw(program: Program) -> Iterator[Judgement]:
    if program.has("l", "listen", "z", "h") or not program.operands:
        return
    if program.name == "openssl" and "s_client" not in program.args:
        return
    from_file = any(redirect.operator == "<" for redirect in program.redirects)
    if reads_secret(program):
        yield SENDS_SECRET
    elif program.before is not None and _tells_much(program.before):
        yield SENDS_OUTPUT
    elif from_file:
        yield SENDS_FILE


def _copier(program: Program) -> Iterator[Judgement]:
    if len(program.operands) < 2 or not _REMOTE_PATH.match(program.operands[-1]):
        return
    sources = [places.plain(operand) for operand in program.operands[:-1]]
    if any(places.secrecy(source) is HIGH or source in ("/", "~", "/etc", "~/.ssh") for source in sources):
        yield SENDS_SECRET
    else:
        yield COPIES_OUT


def _bucket(program: Program) -> Iterator[Judgement]:
    line = program.line
    if re.search(r"\b(?:s3 (?:cp|sync|mv)|s3api put-object|cp|rsync|copy|sync|upload)\b", line) and re.search(
        r"\s(?:s3|gs|az|https)://|\s[\w-]+:[\w/-]*$", line
    ):
        operands = [places.plain(operand) for operand in program.operands]
        if any(places.secrecy(each) is HIGH for each in operands):
            yield SENDS_SECRET
        elif not re.match(r"(?:s3|gs)://", program.operands[2] if len(program.operands) > 2 else ""):
            yield COPIES_OUT


def _mailer(program: Program) -> Iterator[Judgement]:
    reads = any(redirect.operator == "<" for redirect in program.redirects) or program.has("a", "A", "attach")
    if reads_secret(program):
        yield SENDS_SECRET
    elif reads or (program.before is not None and _tells_much(program.before)):
        yield SENDS_FILE


def _sniffer(program: Program) -> Iterator[Judgement]:
    if not program.has("D", "h", "version", "r"):
        yield LISTENS_IN.less(LOW)


def _tells_much(program: Program) -> bool:
    """Say whether what a program writes says much of the machine or of its data."""
    for _ in range(16):
        if program.name in _TELLS_ALL or program.name in (
            "find",
            "ls",
            "ps",
            "id",
            "whoami",
            "uname",
            "ifconfig",
            "cat",
        ):
            return True
        if program.name in ("base64", "gzip", "xxd", "openssl") and program.operands:
            return True
        if program.before is None:
            return False
        program = program.before
    return False


def _finds_something(program: Program) -> bool:
    """Say whether a substitution among its arguments says much of the machine, or reads what is secret."""
    return any(head in _TELLS_ALL or head in ("whoami", "id") for head in program.heads) or _names_secret(program)


def _reads_something(program: Program) -> bool:
    return any(head in READERS and head not in _FETCHERS for head in program.heads)


def _names_secret(program: Program) -> bool:
    words = (word.strip("'\"<") for text in program.inner for word in _BETWEEN.split(text))
    return any(places.secrecy(places.plain(word)) is not None for word in words)


def _host(arg: str) -> str:
    match = _HOST.match(arg)
    return (match.group(1) or match.group(2)).lower() if match is not None else ""


_BY_NAME: Final[Mapping[str, Callable[[Program], Iterator[Judgement]]]] = {
    **dict.fromkeys(_FETCHERS, _fetcher),
    **dict.fromkeys(_RAW, _raw),
    **dict.fromkeys(("scp", "rsync", "sftp", "rclone"), _copier),
    **dict.fromkeys(("aws", "gsutil", "gcloud", "az", "azcopy", "s3cmd", "mc"), _bucket),
    **dict.fromkeys(("mail", "mailx", "mutt", "sendmail", "msmtp", "swaks"), _mailer),
    **dict.fromkeys(("tcpdump", "tshark", "dumpcap"), _sniffer),
}
