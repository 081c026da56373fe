"""Presets of a policy to what they stand for, which is read like what was written out: rules, limits, filters."""

from collections.abc import Mapping
from typing import NamedTuple

import yaml

from ringfence_pdp.fields import Report, View, as_json
from ringfence_pdp.presets.call import Call, read_call
from ringfence_pdp.presets.catalog import PRESETS, Expansion, Preset, Template
from ringfence_pdp.yaml_reader import Entry, Mark, Node, Scalar, Sequence
from ringfence_pdp.yaml_reader import Mapping as MappingNode

PRESETS_MAX = 32
"""Presets of one policy."""

NAME = "name"
"""What every preset takes: what its rules, limits and filters are called, for using one twice in a policy."""


class Expanded(NamedTuple):
    """What the presets of a policy stand for, as if it were written there."""

    rules: tuple[View, ...]
    limits: tuple[View, ...]
    filters: tuple[View, ...]


def expand_presets(view: View) -> Expanded:
    """Return what the presets of a policy stand for; what is wrong is noted."""
    found: dict[str, list[View]] = {kind: [] for kind in Expanded._fields}
    for item in view.items(at_most=PRESETS_MAX):
        for kind, templates in _parts(_expanded(item)).items():
            for place, template in enumerate(templates):
                path = f"{item.path}.{kind}[{place}]"
                found[kind].append(View(item.file, _node(template, item.mark), item.mark, path, item.report))
    return Expanded(**{kind: tuple(views) for kind, views in found.items()})


def _parts(expansion: Expansion) -> Mapping[str, tuple[Template, ...]]:
    return {"rules": expansion.rules, "limits": expansion.limits, "filters": expansion.filters}


def shown(text: str) -> str:
    """Return what a call such as `rate_limit(100, 1m)` stands for, as YAML; raise ValueError when it cannot be read."""
    report = Report()
    view = View("", Scalar(Mark(1, 1), text), Mark(1, 1), "", report)
    expansion = _expanded(view)
    if report.problems:
        raise ValueError(str(report.problems[0]))
    parts = _parts(expansion)
    plain = {name: [_plain(template) for template in templates] for name, templates in parts.items() if templates}
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=1_000)


def _expanded(item: View) -> Expansion:
    call = read_call(item)
    preset = PRESETS.get(call.name) if call is not None else None
    if call is None or preset is None:
        if call is not None:
            item.wrong(f"there is no preset {call.name!r}", f"there are {', '.join(PRESETS)}")
        return Expansion()
    before = len(item.report.problems)
    given = _arguments(item, preset, call)
    name = given.pop(NAME).text() if NAME in given else preset.name.replace("_", "-")
    expansion = preset.expand(name, given) if len(item.report.problems) == before else Expansion()
    return expansion if len(item.report.problems) == before else Expansion()


def _arguments(item: View, preset: Preset, call: Call) -> dict[str, View]:
    """Every parameter, as it was given or by default; and the name, if there is one."""
    names = [parameter.name for parameter in preset.parameters]
    if len(call.positional) > len(names):
        item.wrong(
            f"{preset.name} takes {len(names)} values, found {len(call.positional)}", f"write {preset.signature}"
        )
    by_place = dict(zip(names, call.positional, strict=False))
    for name in call.named:
        if name in by_place or name not in (*names, NAME):
            problem = f"{name!r} is given twice" if name in by_place else f"{preset.name} takes no {name!r}"
            item.wrong(problem, f"write {preset.signature}")
    nodes: Mapping[str, Node] = {**by_place, **call.named}
    found = {name: _view(item, name, node) for name, node in nodes.items()}
    for parameter in preset.parameters:
        if parameter.name not in found:
            if parameter.default is None:
                item.wrong(f"{preset.name} needs {parameter.name}: {parameter.what}", f"write {preset.example}")
            found[parameter.name] = _view(item, parameter.name, _default(parameter.default, item.mark))
    return found


def _view(item: View, name: str, node: Node | None) -> View:
    return View(item.file, node, item.mark if node is None else node.mark, f"{item.path}.{name}", item.report)


def _default(written: str | None, mark: Mark) -> Node | None:
    return _node(yaml.safe_load(f"[{written}]")[0], mark) if written else None


def _node(template: Template, mark: Mark) -> Node:
    """The template as a node of the file; what was given keeps its own place."""
    match template:
        case dict():
            return MappingNode(mark, tuple(Entry(key, mark, _node(value, mark)) for key, value in template.items()))
        case list():
            return Sequence(mark, tuple(_node(item, mark) for item in template))
        case Scalar() | Sequence() | MappingNode():
            return template
    return Scalar(mark, str(template))


def _plain(template: Template) -> object:
    match template:
        case dict():
            return {key: _plain(value) for key, value in template.items()}
        case list():
            return [_plain(item) for item in template]
        case str():
            return template
    return as_json(template)


class _Dumper(yaml.SafeDumper):
    """Writes conditions, which have quotes of their own, in the other quotes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "'" in text else None)


_Dumper.add_representer(str, _text)
