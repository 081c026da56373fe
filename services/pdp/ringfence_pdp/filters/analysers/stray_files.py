"""Files of a server's own, named where nobody said that a path belongs.

A tool that reads files is given paths, and says so by its contract or by the name of the argument. A path that comes as
anything else is what scanners put into every parameter: configurations, logs and histories whose places are known.
The rules:

- only what is a path as a whole is one; a sentence that names a file is none;
- a place counts when the machine or its servers keep something there, not where people keep their work.
"""

import re
from collections.abc import Iterator
from typing import Final

from ringfence_pdp.filters.analysers import places
from ringfence_pdp.filters.analysers.judgement import MEDIUM, Hit, Judgement
from ringfence_pdp.filters.finding import Argument, ArgumentType
from ringfence_pdp.filters.words import word_set, words_of

STRAY: Final = Judgement(
    "path.stray-system-file", "credential", MEDIUM, "a file of a server's own is named where no path is asked for"
)

ALL: Final = (STRAY,)

_LENGTH_MAX: Final = 240
_ASKED_FOR: Final = word_set(
    "path paths file files filename filenames filepath filepaths pathname dir directory folder cwd workdir source"
    " target destination src dest root location log logs config configuration document attachment attachments command"
    " cmd args argv interpreter shell executable program binary socket mount volume"
)
_WHOLE: Final = re.compile(
    r"\s*[\"'<]?(?:[\w.\[\]-]{1,40}=)?(?:file:/{0,3}(?:localhost)?)?(?P<path>(?:(?:[a-z]:)?[/\\.~%]|(?:usr/)?s?bin/|etc/|dev/tcp/)[^\n;|&<>\"'*?]{3,200}?)"
    r"[\"'>]?(?:%00|\x00)?\s*",
    re.IGNORECASE,
)
_PROSE: Final = re.compile(r"\s(?!files?\b|group\b|\(x86\))[a-z]+\s|[,!?]\s", re.IGNORECASE)
_UNIX: Final = re.compile(
    r"^(?:/private)?/(?:etc/\w|(?:usr/(?:local/)?)?s?bin/\w|var/(?:log|adm|mail|spool|run|cache|local|nm2|lib|db|backups?|account|apache\d?|cpanel"
    r"|webmin|vmail|mysql|\.htpasswd)(?:/|$)|proc/\w|sys/\w|boot/\w|root/[.\w]|dev/\w|srv/\w+/(?:etc|log|conf)"
    r"|lib(?:32|64)?/security|usr/(?:local/)?(?:etc|apache\d?\w*|httpd|nginx|php\d?|mysql|lib/(?:php\d?|security|cron"
    r"|rpm)|cpanel|pureftpd|psa|nginx|zeus|jakarta\S*|tomcat\S*|pkgsrc|ports|sbin|adm|spool|lsws|ibm|home)(?:/|$)"
    r"|usr/share/(?:adduser|squirrelmail|tomcat\d?|apache\S*)/|(?:opt|usr/local|volumes|library|system|applications)/"
    r"(?:\S.{0,60}/)?(?:xampp|lampp?|apache\d?\w*|httpd|nginx|tomcat\S*|jboss|webserver|zend|coldfusion\S*|macintosh_hd1"
    r"|webbackup|(?:etc|logs?|conf|preferences|directoryservices|openbase)/\S+)"
    r"|(?:www|apache\d?|nginx|php\d?|mysql|logs?|xampp|lampp?|bin/php|web|conf)/(?:\S+/)?\S+"
    r"|users/\w+/\.\w|home/[\w$.-]+/\.\w|(?:export/)?home\d?/\S+/(?:etc|logs?)/|~?/?\.(?:ssh|bash|profile|login"
    r"|logout|nano|mysql|history)\w*|var/www/(?:\S+/)?(?:logs?|conf|config|configuration|wp-config|\.ht|mgr|cgi-bin)\S*)"
)
_WINDOWS: Final = re.compile(
    r"^[a-z]:/(?:(?:windows|winnt|win\d*)/\w|(?:program files(?: \(x86\))?|xampp|wamp\d*|lampp?|apache\S{0,20}|nginx"
    r"|php\d*|mysql|mariadb|inetpub|perl|tomcat\S*|filezilla\S*|coldfusion\S*|sysprep|recycler|documents and settings"
    r"|users/(?:administrator|admin|all users)|minint|i386|home\d?/bin|logs?|conf)/.*\.\w{1,6}$"
    r"|(?:boot|autoexec|config|pagefile|hiberfil|unattend(?:ed)?|sysprep|ntuser|ntdetect|io|msdos|ntldr)(?:\.\w{1,4})?$"
    r"|users/\w+/(?:ntuser|appdata)\b)|^%(?:systemroot|windir|systemdrive|programfiles|appdata|userprofile)%/"
)
_NAMES: Final = re.compile(
    r"/(?:httpd?|apache2?|nginx|php\d?|my|lighttpd|vsftpd|pure-?ftpd|proftpd|smb|vhosts?|httpd-\w+|mod_\w+|sshd?_config"
    r"|krb5|ldap|named|ntp|snmpd|squid|redis|mongod?b?|pg_hba|postgresql|sendmail|postfix|exim\d?|dovecot|rsyncd)"
    r"\.(?:conf|cnf|ini|cf)(?:\.\w+)?$|/(?:ssl[._-])?(?:access|error|referer|agent|suexec|request|scripts|php_errors?"
    r"|php-errors?|mysqld?|xferlog|vsftpd|proftpd|maillog|messages|lastlog|auth|boot|dmesg|daemon|kern|faillog)"
    r"(?:[._-](?:log|logs|err|error|access)\b\S*|\.log(?:\.\d)?)$"
)


def hits(argument: Argument, text: str) -> Iterator[Hit]:
    """Yield that an argument names a file of a server's own, when it is not an argument for files."""
    if len(text) > _LENGTH_MAX or _is_asked_for(argument):
        return
    whole = _WHOLE.fullmatch(text)
    if whole is None or _PROSE.search(whole["path"]):
        return
    path = places.plain(_rooted(whole["path"]))
    slashed = "/" + path.lstrip("/") if path[:1] in "/~." else path
    if _UNIX.match(slashed) or _WINDOWS.match(path) or (slashed.count("/") > 1 and _NAMES.search(slashed)):
        yield STRAY.at(0, len(text))


def _rooted(path: str) -> str:
    """Return a path without the steps up it begins with."""
    return re.sub(r"^(?:\.{1,2}[/\\]+)+", "/", path)


def _is_asked_for(argument: Argument) -> bool:
    """Say whether the contract or the name says that this is where a file, or a command line, goes."""
    if argument.is_declared and argument.type in (ArgumentType.PATH, ArgumentType.SHELL, ArgumentType.CODE):
        return True
    names = [part for part in argument.pointer.split("/") if part and not part.isdigit()]
    return bool(names) and not _ASKED_FOR.isdisjoint(words_of(names[-1]))
