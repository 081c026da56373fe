"""Commands after which something is gone: files, disks, processes, the machine itself."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.judgement import HIGH, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import Program

DELETES_TREE: Final = Judgement("shell.deletes-tree", "destruction", HIGH, "a whole part of the file system is deleted")
DELETES_STATE: Final = Judgement(
    "shell.deletes-state", "destruction", MEDIUM, "files that are not easily made again are deleted"
)
OVERWRITES_DISK: Final = Judgement("shell.overwrites-disk", "destruction", HIGH, "a disk is written over or formatted")
SHREDS: Final = Judgement("shell.shreds", "destruction", MEDIUM, "files are destroyed so that nothing brings them back")
MOVES_AWAY: Final = Judgement(
    "shell.moves-away", "destruction", HIGH, "what the system needs is moved to where it is lost"
)
TRUNCATES: Final = Judgement("shell.empties-file", "destruction", HIGH, "a file the system needs is emptied")
FORK_BOMB: Final = Judgement(
    "shell.fork-bomb", "sabotage", HIGH, "processes start processes until the machine stands still"
)
KILLS_ALL: Final = Judgement("shell.kills-everything", "sabotage", HIGH, "every process is ended")
HALTS: Final = Judgement("shell.halts-machine", "sabotage", MEDIUM, "the machine is switched off")
CRASHES: Final = Judgement("shell.crashes-kernel", "sabotage", HIGH, "the kernel is made to crash")

ALL: Final = (
    *(
        DELETES_TREE,
        DELETES_STATE,
        OVERWRITES_DISK,
        SHREDS,
        MOVES_AWAY,
        TRUNCATES,
        FORK_BOMB,
        KILLS_ALL,
        HALTS,
        CRASHES,
    ),
)

_FORK: Final = re.compile(
    r"([\w:.]{1,32})\s*\(\s*\)\s*\{[^}]{0,64}?\1\s*\|\s*\1\s*&?[^}]{0,32}\}|%0\s*\|\s*%0|\bfork\s+while\s+fork\b"
)
_FIND_NARROWS: Final = frozenset(
    [
        "name",
        "iname",
        "path",
        "regex",
        "mtime",
        "mmin",
        "ctime",
        "atime",
        "size",
        "newer",
        "empty",
        "user",
        "perm",
        "inum",
        "iregex",
        "amin",
        "cmin",
        "group",
        "links",
    ]
)
_KERNEL: Final = re.compile(r"^/proc/(?:sysrq-trigger|sys/kernel/sysrq)$")


def forks(text: str) -> Iterator[tuple[Judgement, int, int]]:
    """Yield where a text makes processes without end."""
    match = _FORK.search(text)
    if match is not None:
        yield FORK_BOMB, *match.span()


def judged(program: Program) -> Iterator[Judgement]:
    """Yield what is gone after `program` has run."""
    judge = _BY_NAME.get(program.name)
    if judge is not None:
        yield from judge(program)
    elif program.name.startswith(("mkfs.", "newfs")):
        yield OVERWRITES_DISK
    for redirect in program.redirects:
        target = places.plain(redirect.target.text)
        if redirect.operator.endswith((">", "|")) and places.is_device(target):
            yield OVERWRITES_DISK
        elif _KERNEL.match(target):
            yield CRASHES
        elif redirect.operator == ">" and places.is_accounts(target):
            yield TRUNCATES


def _removal(program: Program) -> Iterator[Judgement]:
    if program.has("no-preserve-root"):
        yield DELETES_TREE
    is_deep = program.has("r", "R", "recursive", "rf", "fr", "d", "/s")
    for operand in program.operands:
        target = places.plain(operand)
        lost = places.loss(target)
        if lost is HIGH and (is_deep or target.endswith("*") or places.is_log(target)):
            yield DELETES_TREE
        elif lost is not None and (is_deep or places.secrecy(target) is not None):
            yield DELETES_STATE
        elif places.is_accounts(target) or (places.is_device(target) and target != "/dev/shm"):  # noqa: S108 - a path that is judged
            yield DELETES_TREE


def _dd(program: Program) -> Iterator[Judgement]:
    for arg in program.args:
        if arg.startswith("of=") and places.is_device(places.plain(arg[3:])):
            yield OVERWRITES_DISK


def _disk(program: Program) -> Iterator[Judgement]:
    if not program.has("l", "list", "help", "version", "n") and any("/dev/" in arg for arg in program.args):
        yield OVERWRITES_DISK if program.name in ("mkfs", "wipefs", "blkdiscard") else OVERWRITES_DISK.less(MEDIUM)


def _shred(program: Program) -> Iterator[Judgement]:
    targets = [places.plain(operand) for operand in program.operands]
    if any(places.is_device(target) for target in targets):
        yield OVERWRITES_DISK
    elif targets:
        yield SHREDS


def _find(program: Program) -> Iterator[Judgement]:
    runs = " ".join(program.args)
    if not program.has("delete") and not re.search(r"-exec(?:dir)?\s+(?:\S*/)?(?:rm|shred|unlink)\b", runs):
        return
    roots = []
    for arg in program.args:
        if arg.startswith("-") or arg in ("(", "!"):
            break
        roots.append(arg)
    narrowed = not program.flags.isdisjoint(_FIND_NARROWS)
    for root in roots or ["."]:
        path = places.plain(root)
        lost = places.loss(path)
        if lost is None or (narrowed and places.is_log(path)):
            continue
        if lost is HIGH:
            yield DELETES_STATE if narrowed else DELETES_TREE
        elif not narrowed:
            yield DELETES_STATE


def _move(program: Program) -> Iterator[Judgement]:
    if len(program.operands) < 2:
        return
    to = places.plain(program.operands[-1])
    for operand in program.operands[:-1]:
        if to == "/dev/null" or places.loss(places.plain(operand)) is HIGH:
            yield MOVES_AWAY


def _truncate(program: Program) -> Iterator[Judgement]:
    for operand in program.operands:
        target = places.plain(operand)
        if places.is_accounts(target) or places.loss(target) is HIGH:
            yield TRUNCATES


def _kill(program: Program) -> Iterator[Judgement]:
    if "-1" in program.args and ("-9" in program.args or program.has("KILL", "SIGKILL", "s", "TERM")):
        yield KILLS_ALL


def _killall(_: Program) -> Iterator[Judgement]:
    yield KILLS_ALL


def _halt(program: Program) -> Iterator[Judgement]:
    if not program.has("help", "c", "cancel", "/a", "version") and not (
        program.name == "init" and "0" not in program.args and "6" not in program.args
    ):
        yield HALTS


def _rsync(program: Program) -> Iterator[Judgement]:
    if program.has("delete", "delete-after", "delete-before", "delete-excluded", "remove-source-files"):
        lost = places.loss(places.plain(program.operands[-1])) if program.operands else None
        if lost is HIGH:
            yield DELETES_TREE


def _crontab(program: Program) -> Iterator[Judgement]:
    if program.has("r"):
        yield DELETES_STATE


_BY_NAME: Final[Mapping[str, Callable[[Program], Iterator[Judgement]]]] = {
    **dict.fromkeys(("rm", "rmdir", "unlink", "srm", "trash"), _removal),
    "dd": _dd,
    **dict.fromkeys(
        ("mkfs", "mkswap", "wipefs", "fdisk", "sfdisk", "parted", "blkdiscard", "cryptsetup", "hdparm"), _disk
    ),
    **dict.fromkeys(("shred", "wipe", "scrub"), _shred),
    "find": _find,
    "mv": _move,
    "truncate": _truncate,
    "kill": _kill,
    "killall5": _killall,
    **dict.fromkeys(("shutdown", "reboot", "halt", "poweroff", "init", "telinit"), _halt),
    "rsync": _rsync,
    "crontab": _crontab,
}
