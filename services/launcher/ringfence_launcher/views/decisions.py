"""How decisions, policies and kill switches look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.pdp.v1 import bundle_pb2, decision_pb2

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.views.filters import finding_line
from ringfence_launcher.words import code_word, duration_text, time_text, word

_STYLES = {
    decision_pb2.EFFECT_ALLOW: "bold green",
    decision_pb2.EFFECT_REQUIRE_APPROVAL: "bold yellow",
    decision_pb2.EFFECT_DENY: "bold red",
}


def decision(answer: decision_pb2.CheckResponse) -> RenderableType:
    """Show a decision: the answer first, why, then what it was based on."""
    head = Text.assemble(effect(answer.effect), "  ", (code_word(decision_pb2.DecisionReason, answer.reason), "bold"))
    head.append(f"\n{plain(answer.message)}\n")
    facts = answer.facts
    return stacked(
        head,
        fields(
            [
                ("ring", _known(answer.effective_ring)),
                ("score", _known(answer.trust_score)),
                ("rules", "\n".join(answer.rules)),
                ("findings", "\n".join(map(finding_line, answer.findings))),
                ("approval", _approval(answer)),
                ("limits", _limits(answer)),
                ("ask again in", duration_text(answer.retry_after)),
                ("decision", answer.decision_id),
                ("bundle", answer.bundle_digest),
                (
                    "facts as of",
                    f"identity {facts.identity_revision}, registry {facts.registry_revision}, "
                    f"policy {facts.policy_revision}",
                ),
                ("decided", time_text(answer.decide_time)),
            ]
        ),
    )


def decision_line(answer: decision_pb2.CheckResponse) -> str:
    """Return a decision on a line: the answer, why, and at which ring and score."""
    effect_code = code_word(decision_pb2.Effect, answer.effect)
    reason = code_word(decision_pb2.DecisionReason, answer.reason)
    return f"{effect_code} {reason} (ring {_known(answer.effective_ring)}, score {_known(answer.trust_score)})"


def explanation(answer: decision_pb2.ExplainResponse) -> RenderableType:
    """Show what each stage and rule said, and what would have to change."""
    stages = table(
        ["STAGE", "EFFECT", "REASON", "DETAIL"],
        (
            (s.stage, effect(s.effect), code_word(decision_pb2.DecisionReason, s.reason), s.detail)
            for s in answer.stages
        ),
        empty="no stages",
    )
    rules = table(
        ["RULE", "EFFECT", "APPLIES", "CLAUSES"],
        ((r.rule, effect(r.effect), word(decision_pb2.ConditionResult, r.result), _clauses(r)) for r in answer.rules),
        empty="no rule is about this",
    )
    misses = [Text(f"- {plain(miss)}") for miss in answer.nearest_misses]
    return stacked(
        decision(answer.response),
        Text("\nstages, in order", style="bold"),
        stages,
        Text("\nrules that are about this", style="bold"),
        rules,
        Text("\nwhat would make it allow", style="bold") if misses else None,
        *misses,
    )


def bundle(shown: bundle_pb2.Bundle) -> RenderableType:
    """Show a bundle of policies."""
    return fields(
        [
            ("bundle", shown.digest),
            ("policies", str(shown.policy_count)),
            ("rules", str(shown.rule_count)),
            ("pushed by", shown.author),
            ("since", time_text(shown.create_time)),
            ("etag", shown.etag),
        ]
    )


def active_bundle(active: bundle_pb2.GetBundleResponse) -> RenderableType:
    """Show a bundle and its files."""
    files = table(
        ["FILE", ">BYTES"], ((file.path, f"{len(file.content):,}") for file in active.files), empty="no files"
    )
    return stacked(bundle(active.bundle), Text(), files)


def kill_switch(shown: bundle_pb2.KillSwitch) -> RenderableType:
    """Show one kill switch."""
    return fields(
        [
            ("kill switch", shown.name),
            ("stops", target(shown.target)),
            ("because", shown.reason),
            ("engaged by", shown.actor),
            ("since", time_text(shown.create_time)),
        ]
    )


def kill_switches(listed: Sequence[bundle_pb2.KillSwitch]) -> RenderableType:
    """Show what is stopped."""
    return table(
        ["KILL SWITCH", "STOPS", "SINCE", "BY", "BECAUSE"],
        (
            (
                one.name.removeprefix("killSwitches/"),
                target(one.target),
                time_text(one.create_time),
                one.actor,
                one.reason,
            )
            for one in listed
        ),
        empty="nothing is stopped",
    )


def target(stopped: bundle_pb2.KillTarget) -> str:
    """Return what a kill switch stops, in words."""
    match stopped.WhichOneof("target"):
        case "everything":
            return "everything"
        case "namespace":
            return f"all agents of {stopped.namespace}"
        case "agent":
            return stopped.agent
        case "tool":
            return f"tool {stopped.tool}"
        case "chain":
            return f"all that was delegated by {stopped.chain}"
    return "nothing"


def effect(value: decision_pb2.Effect.ValueType) -> Text:
    """Return an effect as a code, in its colour."""
    return Text(code_word(decision_pb2.Effect, value), style=_STYLES.get(value, ""))


def _bare_name(name: str) -> str:
    return name.removeprefix("killSwitches/")


def _known(number: int) -> str:
    return "unknown" if number < 0 else str(number)


def _approval(answer: decision_pb2.CheckResponse) -> str:
    if not answer.HasField("approval"):
        return ""
    needed = answer.approval
    groups = f" from {', '.join(needed.approver_groups)}" if needed.approver_groups else ""
    waits = f": {needed.approval}, until {time_text(needed.expire_time)}" if needed.approval else ""
    return f"{needed.min_approvals}{groups} within {needed.timeout_seconds} s{waits}"


def _limits(answer: decision_pb2.CheckResponse) -> str:
    return "\n".join(
        f"{limit.limit} of {limit.key}: {limit.remaining:,} of {limit.maximum:,} {limit.unit} left"
        for limit in answer.limits
    )


def _clauses(rule: decision_pb2.RuleTrace) -> str:
    return "\n".join(
        f"{clause.expression}: {word(decision_pb2.ConditionResult, clause.result)}"
        + (f" ({clause.detail})" if clause.detail else "")
        for clause in rule.clauses
    )
