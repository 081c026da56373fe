"""Commands of Windows, of cmd and PowerShell, in a modest way: the forms that are seen most."""

import re
from collections.abc import Iterator
from typing import Final

from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import Program

DELETES: Final = Judgement(
    "windows.deletes-tree", "destruction", HIGH, "a whole part of the file system is deleted or formatted"
)
BACKUPS: Final = Judgement("windows.deletes-backups", "sabotage", HIGH, "what a machine is restored from is deleted")
ENCODED: Final = Judgement("windows.encoded-command", "evasion", MEDIUM, "a command is given in an encoded form")
BYPASSES: Final = Judgement("windows.bypasses-policy", "evasion", LOW, "the policy for scripts is passed by")
DOWNLOADS: Final = Judgement(
    "windows.download-and-run", "malware", HIGH, "what is fetched from elsewhere is run or stored unread"
)
PROXY_RUN: Final = Judgement(
    "windows.runs-through", "evasion", HIGH, "a trusted program is made to run something for another"
)
ACCOUNT: Final = Judgement("windows.changes-accounts", "privilege", HIGH, "an account is added or given more rights")
PERSISTS: Final = Judgement("windows.persists", "malware", HIGH, "something is made to run again by itself")
REGISTRY: Final = Judgement("windows.deletes-registry", "destruction", HIGH, "a part of the registry is deleted")

ALL: Final = (DELETES, BACKUPS, ENCODED, BYPASSES, DOWNLOADS, PROXY_RUN, ACCOUNT, PERSISTS, REGISTRY)

_ROOT: Final = (
    r"(?:[a-z]:[\\/]?\*?(?:\.\*)?|[a-z]:[\\/](?:windows|users|program files[^\\]*|programdata)(?:[\\/](?:\*|system32))?"
    r"[\\/]?\*?|\$env:\w+|%\w+%|\$home|~[\\/]?\*?|\*|\.|[\\/])"
)
_LINES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), judgement)
    for pattern, judgement in (
        (rf"^(?:del|erase|rd|rmdir)\b(?=.*\s/[sq])(?:\s+/\w)*\s+\"?{_ROOT}\"?(?:\s+/\w)*\s*$", DELETES),
        (rf"^(?:remove-item|ri|rm|del|rd)\b(?=.*\s-r(?:ecurse)?\b).*\s\"?{_ROOT}\"?(?:\s|$)", DELETES),
        (r"^format(?:\.com)?\s+[a-z]:|^format-volume\b|^clear-disk\b|^diskpart\b|^cipher\s+/w", DELETES),
        (
            r"^(?:vssadmin|wmic)\b.*\bdelete\b.*shadow|^vssadmin\b.*delete|^wmic\b.*shadowcopy.*delete"
            r"|^wbadmin\s+delete"
            r"|^bcdedit\b.*(?:recoveryenabled\s+no|bootstatuspolicy)|get-wmiobject\s+win32_shadowcopy.*delete",
            BACKUPS,
        ),
        (r"^(?:powershell|pwsh)\b.*\s-e(?:nc\w*|c)?\s+[a-z0-9+/=]{16,}|frombase64string", ENCODED),
        (r"^(?:powershell|pwsh)\b.*-(?:ep|exec\w*)\s+bypass|^set-executionpolicy\s+(?:bypass|unrestricted)", BYPASSES),
        (
            r"(?:\biex\b|invoke-expression).*(?:download|webrequest|\biwr\b|\birm\b|net\.webclient)"
            r"|(?:downloadstring|downloaddata).*(?:\biex\b|invoke-expression)|(?:downloadfile|-outfile).*start-process"
            r"|^certutil\b.*(?:urlcache|verifyctl)|^bitsadmin\b.*/transfer|^start-bitstransfer\b.*http",
            DOWNLOADS,
        ),
        (
            r"^mshta\s+\"?(?:https?:|vbscript:|javascript:)|^regsvr32\b.*(?:/i:http|scrobj)"
            r"|^rundll32\b.*(?:javascript:|url\.dll|https?:)"
            r"|^(?:wscript|cscript)\s+.*https?:|^installutil\b.*/u|^msiexec\b.*(?:/i|/q)\S*\s+\"?https?:"
            r"|^forfiles\b.*/c|^msbuild\b.*\\temp\\",
            PROXY_RUN,
        ),
        (
            r"^net1?\s+user\s+\S+(?:\s+\S+)?\s+/add|^net1?\s+localgroup\s+\"?administrators?\"?\s+\S+\s+/add"
            r"|^new-localuser\b"
            r"|^add-localgroupmember\b.*admin|^net1?\s+user\s+administrator\b",
            ACCOUNT,
        ),
        (
            r"^reg\s+add\b.*\\(?:run|runonce|winlogon|image file execution options)\b|^schtasks\b.*/create"
            r"|^sc\s+create\b|^new-service\b"
            r"|(?:set|new)-itemproperty\b.*\\run\b|^register-scheduledtask\b|__eventfilter|commandlineeventconsumer",
            PERSISTS,
        ),
        (r"^reg\s+delete\s+\"?hk(?:lm|ey_local_machine|cr)\b.*/f", REGISTRY),
    )
)

_HIDDEN: Final = re.compile(r"-w(?:indowstyle)?\s+h|-nop\b|-noni", re.IGNORECASE)
_FETCHED: Final = re.compile(r"iwr|irm|invoke-webrequest|download|curl|wget", re.IGNORECASE)


def judged(program: Program) -> Iterator[Judgement]:
    """Yield what `program` does to a machine with Windows."""
    line = program.line
    piped = f"{program.before.line} | {line}" if program.before is not None else line
    found = [judgement for pattern, judgement in _LINES if pattern.search(line)]
    is_hidden = ENCODED in found and _HIDDEN.search(line) is not None
    yield from (
        judgement._replace(severity=HIGH) if is_hidden and judgement is ENCODED else judgement for judgement in found
    )
    if program.name in ("iex", "invoke-expression") and _FETCHED.search(piped):
        yield DOWNLOADS
