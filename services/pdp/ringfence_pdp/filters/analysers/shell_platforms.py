"""Commands to clouds, clusters, repositories and databases: one line there ends what took months here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.programs import Program
from ringfence_pdp.filters.finding import Severity

CLOUD_DELETES: Final = Judgement("shell.cloud-deletes", "destruction", HIGH, "resources of a cloud are deleted")
CLOUD_OPENS: Final = Judgement(
    "shell.cloud-opens", "exfiltration", MEDIUM, "something in a cloud is opened to everybody"
)
CLOUD_RIGHTS: Final = Judgement("shell.cloud-rights", "privilege", HIGH, "rights in a cloud or a cluster are widened")
CLOUD_BLIND: Final = Judgement("shell.cloud-blinds", "evasion", HIGH, "a cloud's log or guard is switched off")
CLUSTER_DELETES: Final = Judgement("shell.cluster-deletes", "destruction", HIGH, "what runs in a cluster is deleted")
INFRA_DESTROYS: Final = Judgement("shell.infrastructure-destroys", "destruction", HIGH, "infrastructure is torn down")
REWRITES: Final = Judgement("shell.rewrites-history", "destruction", MEDIUM, "what others pushed is written over")
LOSES_WORK: Final = Judgement("shell.loses-work", "destruction", LOW, "work that was not committed is lost")
GIT_HOOK: Final = Judgement("shell.git-runs-code", "malware", MEDIUM, "git is made to run something with every command")
DROPS_DATA: Final = Judgement("shell.drops-data", "destruction", HIGH, "a database is emptied or dropped")
PRUNES: Final = Judgement("shell.prunes-volumes", "destruction", MEDIUM, "volumes and what is in them are deleted")

ALL: Final = (
    *(CLOUD_DELETES, CLOUD_OPENS, CLOUD_RIGHTS, CLOUD_BLIND, CLUSTER_DELETES, INFRA_DESTROYS, REWRITES, LOSES_WORK),
    *(GIT_HOOK, DROPS_DATA, PRUNES),
)

Row = tuple[str, Judgement, Severity]

_ROWS: Final[Mapping[str, Sequence[Row]]] = {
    "aws": (
        (r"\bs3 rb\b.*--force|\bs3 rm\b.*--recursive|\bs3 sync\b.*--delete", CLOUD_DELETES, HIGH),
        (
            r"\b(?:cloudtrail (?:stop-logging|delete-trail|put-event-selectors)|guardduty (?:delete|disassociate)\S*"
            r"|logs delete-log-group|config(?:service)? (?:stop|delete)\S*|securityhub disable\S*|ec2 delete-flow-logs"
            r"|cloudwatch (?:delete-alarms|disable-alarm-actions))",
            CLOUD_BLIND,
            HIGH,
        ),
        (
            r"\biam (?:attach-(?:user|role|group)-policy|put-(?:user|role|group)-policy|create-policy-version"
            r"|add-user-to-group)"
            r".*(?:Administrator|admin|\*|PowerUser|IAMFull)",
            CLOUD_RIGHTS,
            HIGH,
        ),
        (
            r"\biam (?:create-access-key|create-login-profile|update-assume-role-policy|attach-\S+-policy"
            r"|put-\S+-policy"
            r"|create-user|deactivate-mfa-device)",
            CLOUD_RIGHTS,
            MEDIUM,
        ),
        (
            r"\bs3api (?:put-bucket-acl|put-object-acl).*public|put-public-access-block.*false|put-bucket-policy"
            r"|authorize-security-group-ingress.*0\.0\.0\.0/0|modify-snapshot-attribute.*(?:all|--user-ids)"
            r"|--publicly-accessible",
            CLOUD_OPENS,
            MEDIUM,
        ),
        (
            r"\b(?:rds delete-db|dynamodb delete-table|ec2 terminate-instances|kms schedule-key-deletion"
            r"|eks delete-cluster"
            r"|s3api delete-bucket|cloudformation delete-stack|efs delete|redshift delete|backup delete|organizations"
            r"|elasticache delete|route53 delete-hosted|ecr delete-repository)",
            CLOUD_DELETES,
            HIGH,
        ),
        (r"^aws (?:.* )?(?:delete|terminate|remove|deregister|revoke|purge|disable)-\S+", CLOUD_DELETES, MEDIUM),
    ),
    "gcloud": (
        (
            r"\bprojects delete|\bsql (?:instances|databases) delete|\bcontainer clusters delete"
            r"|\bkms keys versions destroy",
            CLOUD_DELETES,
            HIGH,
        ),
        (
            r"add-iam-policy-binding.*(?:roles/(?:owner|editor|.*admin)|allUsers|allAuthenticatedUsers)",
            CLOUD_RIGHTS,
            HIGH,
        ),
        (r"\biam service-accounts keys create", CLOUD_RIGHTS, MEDIUM),
        (r"\blogging (?:sinks|logs|buckets) delete", CLOUD_BLIND, HIGH),
        (r"firewall-rules create.*0\.0\.0\.0/0", CLOUD_OPENS, MEDIUM),
        (r"\s(?:delete|destroy)\b", CLOUD_DELETES, MEDIUM),
    ),
    "gsutil": (
        (r"\brm\b.*-[a-z]*[rR]|\brb\b", CLOUD_DELETES, HIGH),
        (r"\bacl ch\b.*AllUsers|iam ch allUsers", CLOUD_OPENS, HIGH),
    ),
    "az": (
        (
            r"\bgroup delete|\bsql (?:db|server) delete|\baks delete|\bkeyvault (?:delete|purge)"
            r"|storage account delete",
            CLOUD_DELETES,
            HIGH,
        ),
        (r"role assignment create.*(?:Owner|Contributor|Administrator)", CLOUD_RIGHTS, HIGH),
        (r"monitor (?:diagnostic-settings|log-profiles|activity-log) delete", CLOUD_BLIND, HIGH),
        (r"\s(?:delete|purge)\b", CLOUD_DELETES, MEDIUM),
    ),
    "kubectl": (
        (
            r"\bdelete\b.*(?:--all\b|--all-namespaces|\s-A\b)|\bdelete (?:ns|namespaces?|nodes?|pvc?"
            r"|persistentvolume\S*|crds?|clusterroles?)\b",
            CLUSTER_DELETES,
            HIGH,
        ),
        (r"create clusterrolebinding.*(?:cluster-admin|--clusterrole=admin)|auth reconcile", CLOUD_RIGHTS, HIGH),
        (
            r"\bdelete (?:deploy\S*|statefulset\S*|sts|svc|services?|secrets?|configmaps?|ingress\S*"
            r"|daemonset\S*|-f|-k)\b",
            CLUSTER_DELETES,
            MEDIUM,
        ),
        (r"\bscale\b.*--replicas[= ]0\b|\bdrain\b.*--force", CLUSTER_DELETES, MEDIUM),
        (r"\brun\b.*(?:privileged|hostPID|hostPath)", CLOUD_RIGHTS, HIGH),
    ),
    "helm": ((r"\b(?:uninstall|delete)\b", CLUSTER_DELETES, MEDIUM),),
    "terraform": (
        (r"\bdestroy\b.*(?:-auto-approve|-force)|\bapply\b.*-destroy", INFRA_DESTROYS, HIGH),
        (r"\bdestroy\b|\bstate rm\b|\bworkspace delete\b|\bforce-unlock\b", INFRA_DESTROYS, MEDIUM),
        (r"\bapply\b.*-auto-approve", INFRA_DESTROYS, LOW),
    ),
    "pulumi": ((r"\bdestroy\b", INFRA_DESTROYS, HIGH), (r"\bstack rm\b", INFRA_DESTROYS, MEDIUM)),
    "git": (
        (
            r"\bpush\b.*(?:--mirror|--force(?!-with-lease|-if)|\s-\w*f\b|\s\+\S+).*\b(?:main|master|prod\w*"
            r"|release\S*|--all)\b"
            r"|\bpush\b.*--mirror",
            REWRITES,
            HIGH,
        ),
        (r"\bpush\b.*(?:--force(?!-with-lease|-if)|\s-\w*f\b|\s\+\w)", REWRITES, MEDIUM),
        (
            r"\bpush\b.*(?:--delete|\s-d|\s:)\s*(?:\S+\s+)?(?:main|master|prod\w*|release\S*)\b"
            r"|\bfilter-(?:branch|repo)\b"
            r"|\breflog expire\b.*--expire(?:-unreachable)?=now|\bupdate-ref -d\b",
            REWRITES,
            MEDIUM,
        ),
        (
            r"\bconfig\b.*(?:core\.(?:hookspath|sshcommand|pager|fsmonitor|editor)|alias\.\S+ !"
            r"|credential\.helper (?:store|!))"
            r"|-c core\.(?:sshcommand|hookspath|fsmonitor)=",
            GIT_HOOK,
            MEDIUM,
        ),
        (
            r"\breset\b.*--hard|\bclean\b.*-\w*[fdx]{2}|\bcheckout\b.*(?:--force|\s-f)\b|\bstash (?:drop|clear)\b",
            LOSES_WORK,
            LOW,
        ),
    ),
    "gh": (
        (r"\brepo delete\b", REWRITES, HIGH),
        (r"\bgist create\b|\bsecret set\b|repo edit.*--visibility public", CLOUD_OPENS, MEDIUM),
    ),
    "docker": (
        (
            r"\bsystem prune\b.*(?:--volumes|-a)|\bvolume (?:rm|prune)\b|\bcompose down\b.*(?:-v|--volumes)",
            PRUNES,
            MEDIUM,
        ),
    ),
    "docker-compose": ((r"\bdown\b.*(?:-v|--volumes)", PRUNES, MEDIUM),),
    "redis-cli": (
        (
            r"\bflush(?:all|db)\b|\bconfig set (?:dir|dbfilename)\b|\bslaveof\b|\breplicaof\b|\bmodule load\b",
            DROPS_DATA,
            HIGH,
        ),
    ),
    "mongo": ((r"dropdatabase|\.drop\(|\.remove\(\s*\{\s*\}|deletemany\(\s*\{\s*\}", DROPS_DATA, HIGH),),
    "dropdb": ((r"^dropdb\b.*\w", DROPS_DATA, HIGH),),
    "mysqladmin": ((r"\bdrop\b|\bshutdown\b", DROPS_DATA, HIGH),),
    "zfs": ((r"\bdestroy\b", DROPS_DATA, HIGH),),
    "lvremove": ((r"\w", DROPS_DATA, HIGH),),
    "vgremove": ((r"\w", DROPS_DATA, HIGH),),
    "npm": ((r"\bunpublish\b.*--force", REWRITES, MEDIUM),),
    "ansible": ((r"-a\s+\S*\s*(?:rm -rf|shutdown|reboot)", CLUSTER_DELETES, MEDIUM),),
}
_SAME: Final = {
    "mongosh": "mongo",
    "podman": "docker",
    "oc": "kubectl",
    "k": "kubectl",
    "tofu": "terraform",
    "terragrunt": "terraform",
    "zpool": "zfs",
}
_TABLE: Final = {
    name: [
        (re.compile(pattern, re.IGNORECASE), judgement._replace(severity=severity))
        for pattern, judgement, severity in rows
    ]
    for name, rows in _ROWS.items()
}
_HARMLESS: Final = ("--dry-run", "--dryrun", "--help", "--dry-run=client", "--dry-run=server")


def judged(program: Program) -> Iterator[Judgement]:
    """Yield what `program` does elsewhere; the first row that fits says it."""
    rows = _TABLE.get(_SAME.get(program.name, program.name))
    if rows is None or any(flag in program.args for flag in _HARMLESS):
        return
    line = program.line
    found: set[str] = set()
    for pattern, judgement in rows:
        if judgement.id not in found and pattern.search(line):
            found.add(judgement.id)
            yield judgement
