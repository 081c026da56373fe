"""Places in file systems: what a path means once it is written plainly, and what is kept there.

The rules:

- paths are compared in one form: `/` between names, lower case, nothing that goes up and down again, a home directory
  as `~` whoever's it is;
- what is kept somewhere is said by a table of places, not by words in a name: `passwords.md` is a text.
"""

import fnmatch
import posixpath
import re
from typing import Final

from ringfence_pdp.filters.finding import Severity
from ringfence_pdp.filters.words import word_set

PATH_MAX: Final = 4_096

_HOME: Final = re.compile(
    r"^(?:\$\{?home\}?|\$env:userprofile|%userprofile%|%homepath%|/home/[^/*]+|/users/[^/*]+|[a-z]:/users/[^/*]+|/root"
    r"|~[a-z0-9_.-]*)(?=/|$)"
)
_SECRETS: Final = re.compile(
    r"(?:^|/)etc/(?:(?:g)?shadow-?|sudoers(?:\.d(?:/.*)?)?|master\.passwd|security/opasswd|krb5\.keytab"
    r"|ssh/ssh_host_[a-z0-9]+_key|kubernetes/(?:admin\.conf|pki/.*\.key)|rancher/.*\.yaml)$"
    r"|(?:^|/)\.ssh/(?:id_[a-z0-9_]+|identity|[a-z0-9_.-]+\.(?:pem|key)|\*|id\*|id_\*)$|^~/\.ssh/?$"
    r"|(?:^|/)\.aws/(?:credentials|\*|config\*?|sso/cache.*|cli/cache.*)$|^~/\.aws/?$"
    r"|(?:^|/)\.azure/(?:accesstokens\.json|azureprofile\.json|msal_token_cache.*|\*)$"
    r"|(?:^|/)(?:\.config/)?gcloud/(?:credentials\.db|access_tokens\.db|application_default_credentials\.json"
    r"|legacy_credentials.*|\*)$|^~/\.config/gcloud/?$"
    r"|(?:^|/)\.kube/config$|(?:^|/)\.docker/config\.json$|(?:^|/)\.(?:netrc|pgpass|my\.cnf|git-credentials"
    r"|npmrc|pypirc"
    r"|vault-token|s3cfg|boto)$|(?:^|/)\.gnupg(?:/(?:private-keys.*|secring.*|\*))?$|(?:^|/)\.password-store(?:/.*)?$"
    r"|^~/\.config/(?:gh/hosts\.yml|hub|rclone/rclone\.conf|op/.*)$"
    r"|(?:^|/)proc/(?:self|thread-self|\d+|\*)/(?:environ|mem|maps)$|^/proc/kcore$|^/dev/k?mem$"
    r"|(?:^|/)var/run/secrets/(?:kubernetes\.io|eks\.amazonaws\.com)(?:/.*)?$"
    r"|(?:^|/)run/secrets/kubernetes\.io(?:/.*)?$"
    r"|(?:^|/)windows/(?:system32/config/(?:sam|security|system)|ntds/ntds\.dit|repair/sam)$|(?:^|/)ntds\.dit$"
    r"|(?:^|/)(?:google/chrome|chromium|google-chrome|bravesoftware|microsoft/edge)/.*(?:login data|cookies|web data)$"
    r"|(?:^|/)\.?mozilla/firefox/.*(?:logins\.json|key4\.db|cookies\.sqlite)$|(?:^"
    r"|/)firefox/.*(?:logins\.json|key4\.db)$"
    r"|^~/library/keychains(?:/.*)?$|(?:^|/)(?:wallet\.dat|keystore/utc--.*)$|(?:^|/)etc/openvpn/.*\.key$"
    r"|(?:^|/)microsoft/(?:credentials|protect)/.*$|(?:^|/)unattend\.xml$"
)
_WELL_KNOWN: Final = word_set(
    "/etc/shadow /etc/gshadow /etc/sudoers ~/.ssh/id_rsa ~/.ssh/id_ed25519 ~/.aws/credentials ~/.kube/config"
)
_PATTERN_MAX: Final = 64
_PRIVATE: Final = re.compile(
    r"(?:^|/)\.env(?:\.(?:local|prod|production|staging|secret))?$|\.(?:pem|p12|pfx|keystore|jks|kdbx|ppk|ovpn)$"
    r"|(?:^|/)(?:server|private|privkey|tls|ca|client)[a-z0-9_-]*\.key$"
    r"|(?:^|/)\.(?:bash|zsh|mysql|psql|python|node_repl|sh)_?history$|(?:^|/)\.htpasswd$|(?:^|/)wp-config\.php$"
    r"|(?:^|/)(?:secrets?|credentials?|serviceaccount[a-z-]*)\.(?:ya?ml|json|toml|ini|env|txt)$|(?:^|/)database\.yml$"
    r"|(?:^|/)(?:etc/)?(?:mysql|postgresql)/.*(?:\.cnf|pg_hba\.conf)$|(?:^|/)\.git/config$"
    r"|(?:^|/)web-inf/web\.xml$|(?:^|/)(?:web|app|machine)\.config$|(?:^|/)appsettings\.(?:production\.)?json$"
    r"|(?:^|/)terraform\.tfstate$|(?:^|/)var/log/(?:auth\.log|secure)$|(?:^|/)etc/exports$"
)
_COMMON: Final = re.compile(
    r"(?:^|/)etc/(?:passwd|group|hosts|hostname|issue|os-release|resolv\.conf|fstab|crontab|motd|services)$"
    r"|(?:^|/)(?:boot\.ini|win\.ini|windows/system32/drivers/etc/hosts|system\.ini)$"
    r"|(?:^|/)proc/(?:version|cpuinfo|self/(?:cmdline|status|fd/.*)|net/.*)$|(?:^|/)etc/(?:apache2|httpd|nginx)/.*$"
)
_SYSTEM: Final = word_set(
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libexec /opt /proc /root /run /sbin /srv /sys /usr /usr/bin"
    " /usr/lib /usr/local /usr/sbin /usr/share /var /var/lib /var/www /var/lib/mysql /var/lib/postgresql /var/spool"
    " /var/mail /var/backups /system /library /applications /users /volumes /data /mnt /media ~ c:/ d:/ c: d:"
    " c:/windows c:/windows/system32 c:/users c:/programdata /backup /backups /etc/ssl /etc/ssh"
    " /etc/kubernetes /var/lib/docker /var/lib/etcd %systemroot% %systemdrive% %windir% $env:systemroot"
)
_STATE: Final = re.compile(
    r"^/(?:var/(?:lib|www|mail|backups?|spool)|srv|data|backups?|mnt|media|opt|etc|usr|boot|home)/"
)
_PASSING: Final = re.compile(
    r"^(?:/(?:private/)?tmp(?:/|$)|/var/tmp(?:/|$)|/dev/shm/|/var/cache/|/var/lib/apt/lists|\$\{?(?:tmpdir|tmp|temp)\b"
    r"|%temp%|\$env:temp)"
    r"|(?:^|/)(?:node_modules|dist|build|out|target|coverage|__pycache__|\.cache|\.pytest_cache|\.mypy_cache"
    r"|\.tox|\.venv"
    r"|venv|tmp|temp|\.next|\.terraform|\.gradle|\.m2|bin/debug|obj|vendor|cache|caches|logs?_?old|scratch)(?:/|$)"
)
_LOGS: Final = re.compile(r"^/var/log(?:/|$)|(?:^|/)(?:auth|audit|syslog|secure|wtmp|btmp|lastlog|utmp)(?:\.log)?$")
_STARTUP: Final = re.compile(
    r"^/etc/(?:cron[^/]*(?:/.*)?|crontab|rc\.local|rc\d?\.d/.*|init\.d/.*|inittab|systemd/system/.*|profile"
    r"|profile\.d/.*"
    r"|ld\.so\.preload|bash\.bashrc|environment|pam\.d/.*|xdg/autostart/.*|udev/rules\.d/.*|modules-load\.d/.*"
    r"|update-motd\.d/.*|launchd.*)$|^/var/spool/cron(?:/.*)?$|^/(?:usr/)?lib/systemd/system/.*"
    r"|^~/(?:\.config/(?:autostart|systemd/user)/.*|library/launchagents/.*)$|^/library/launch(?:agents|daemons)/.*"
    r"|(?:^|/)\.git/hooks/(?!.*\.sample$).*|/start menu/programs/startup/"
)
_RC: Final = re.compile(
    r"(?:^|/)\.(?:bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zprofile|zshenv|kshrc|xinitrc)$"
)
_ACCOUNTS: Final = re.compile(
    r"^/etc/(?:passwd|shadow|gshadow|group|sudoers|sudoers\.d/.*|ssh/sshd_config|ld\.so\.conf.*)$"
)
_KEYS: Final = re.compile(r"(?:^|/)\.ssh/authorized_keys2?$")
_DEVICE: Final = re.compile(
    r"^/dev/(?:sd[a-z]|hd[a-z]|vd[a-z]|xvd[a-z]|nvme\d|mmcblk\d|disk\d|rdisk\d|mapper/|dm-\d|md\d|loop\d|mem|kmem|port)"
)


def plain(path: str) -> str:
    """Return `path` in the form places are compared in."""
    text = path[:PATH_MAX].strip().strip("'\"").replace("\\", "/").lower()
    text = text.removeprefix("file://")
    text = posixpath.normpath(text) if text else ""
    if text.startswith("//"):
        text = text[1:]
    return _HOME.sub("~", text)


def secrecy(path: str) -> Severity | None:
    """Say how bad it is to read a plain path, or what its wildcards stand for."""
    if _SECRETS.search(path) or _covers_secret(path):
        return Severity.HIGH
    if _PRIVATE.search(path):
        return Severity.MEDIUM
    return Severity.LOW if _COMMON.search(path) else None


def _covers_secret(path: str) -> bool:
    if "*" not in path and "?" not in path:
        return False
    # `/etc/*` is about all there is; `/etc/sh*dow` is about one file.
    said = sum(letter.isalnum() for letter in path.rpartition("/")[2])
    return said > 1 and any(fnmatch.fnmatchcase(known, path[:_PATTERN_MAX]) for known in _WELL_KNOWN)


def is_device(path: str) -> bool:
    """Say whether writing there writes over a disk or memory."""
    return _DEVICE.match(path) is not None


def is_log(path: str) -> bool:
    """Say whether what is kept there tells what happened."""
    return _LOGS.search(path) is not None


def is_startup(path: str) -> bool:
    """Say whether what is written there is run later by itself."""
    return _STARTUP.search(path) is not None


def is_shell_start(path: str) -> bool:
    """Say whether a shell runs it when somebody logs in."""
    return _RC.search(path) is not None


def is_keys(path: str) -> bool:
    """Say whether it lists the keys that may log in."""
    return _KEYS.search(path) is not None


def is_accounts(path: str) -> bool:
    """Say whether it says who may do what on the machine."""
    return _ACCOUNTS.match(path) is not None


def loss(path: str) -> Severity | None:
    """Say what is lost when everything below a plain path is deleted."""
    if not path or _PASSING.search(path):
        return None
    whole = path.rstrip("*").rstrip("/") or "/"
    if path in ("*", "~", "/*") or whole in _SYSTEM or whole == "/":
        return Severity.HIGH if path != "*" else Severity.MEDIUM
    if path in (".", "..", "./*", ".*", ".[!.]*") or path.startswith("../.."):
        return Severity.MEDIUM
    if _LOGS.search(path) or _KEYS.search(path) or path in ("~/.ssh", "~/.gnupg", "~/documents", "~/desktop", "~/.aws"):
        return Severity.HIGH
    return Severity.MEDIUM if _STATE.match(path) else None
