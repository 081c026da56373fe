import json
import shutil
from pathlib import Path

import pytest
from ringfence_pdp.filters.finding import Finding, Kind, Severity

from training.check import differences
from training.judging import Judged, Verdict, auc, gates, verdict_of
from training.sources import Registry, Role, SourcesError, of_role, read_sources
from training.texts import Text, thinned, without_doubles
from training.train import MODEL

ROW = """
[[source]]
name = "one"
registry = "{registry}"
package = "one"
version = "1"
file = "{file}"
sha256 = "{sha256}"
licence = "MIT"
role = "{role}"
strata = ["ordinary"]
label = "all"
defects = "none"
"""


def read(tmp_path: Path, **row: str) -> None:
    told = {"registry": "pypi", "file": "one.whl", "sha256": "0" * 64, "role": "train"} | row
    (tmp_path / "SOURCES.toml").write_text(ROW.format(**told), encoding="utf-8")
    read_sources(tmp_path / "SOURCES.toml")


def test_every_source_says_where_it_is_from_and_what_is_wrong_with_it() -> None:
    sources = read_sources()

    assert {Role.TRAIN, Role.KEPT_APART} == {source.role for source in sources}
    assert all(source.licence and source.label and source.defects and source.strata for source in sources)
    assert all(source.registry is not Registry.GIT for source in of_role(sources, Role.TRAIN))


def test_what_only_a_repository_has_is_never_trained_on(tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match="cannot be trained on"):
        read(tmp_path, registry="git")


def test_a_package_without_its_hash_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match="SHA-256"):
        read(tmp_path, sha256="")


def test_doubles_are_one_text_however_they_are_written() -> None:
    first = Text(text="Delete it", source="a", stratum="goal")
    again = Text(text=" delete  IT", source="b", stratum="goal")
    other = Text(text="keep it", source="b", stratum="ordinary")

    assert without_doubles([first, again, other]) == [first, other]
    assert without_doubles([again, other], known=[first]) == [other]
    assert len(thinned([first] * 10, 3)) == 3


def judged_as(verdict: Verdict, source: str, stratum: str, count: int) -> list[Judged]:
    texts = [Text(text=str(number), source=source, stratum=stratum) for number in range(count)]
    return [Judged(text=text, verdict=verdict) for text in texts]


def test_sources_weigh_alike_in_a_stratum() -> None:
    stopped, passed = verdict_of([found_of(Severity.MEDIUM)]), verdict_of([])

    told = gates(
        judged_as(passed, "large", "payload", 9)
        + judged_as(stopped, "small", "payload", 1)
        + judged_as(passed, "large", "ordinary", 9)
    )

    assert told["flagged"] == {"payload": 0.5, "ordinary": 0.0}
    assert (told["attacks"], told["benign"]) == (10, 9)


def found_of(severity: Severity, p_value: float | None = None) -> Finding:
    return Finding(Kind.INTENT, "test.found", "payload", severity, "found", p_value=p_value)


def test_texts_nothing_is_found_in_are_ranked_by_how_rare_they_are() -> None:
    near, far = verdict_of([], 0.05), verdict_of([], 0.9)
    found = verdict_of([found_of(Severity.LOW, 0.02)], 0.02)
    failed = verdict_of([found_of(Severity.HIGH)._replace(kind=Kind.FAILURE)])

    assert found.weight > near.weight > far.weight > failed.weight == 0
    assert [one.told for one in (near, far, failed)] == [0, 0, 0]
    assert found.told == found.weight
    assert verdict_of([found_of(Severity.HIGH)], 0.5).weight == verdict_of([found_of(Severity.HIGH)]).weight


def test_what_is_ranked_without_being_found_counts_beside_what_is_found() -> None:
    told = gates(judged_as(verdict_of([], 0.05), "a", "goal", 4) + judged_as(verdict_of([], 0.5), "a", "ordinary", 4))

    assert (told["auc_core"], told["auc_core_told"]) == (1.0, 0.5)


def test_auc_is_how_often_an_attack_weighs_more() -> None:
    assert auc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert auc([1.0], [1.0, 1.0]) == 0.5
    assert auc([2.0, 0.0], [1.0]) == 0.5


def test_the_committed_model_differs_in_nothing_from_itself() -> None:
    assert list(differences(MODEL, MODEL)) == []


def test_another_model_is_told_from_the_committed_one(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    card = tmp_path / "model" / "model.json"
    told = json.loads(card.read_text(encoding="utf-8"))
    told["curves"]["fused"] = [score + 1 for score in told["curves"]["fused"]]
    card.write_text(json.dumps(told), encoding="utf-8")
    metrics = tmp_path / "model" / "metrics.json"
    counted = json.loads(metrics.read_text(encoding="utf-8"))
    counted["strata"]["goal"] += 1
    metrics.write_text(json.dumps(counted), encoding="utf-8")

    found = list(differences(tmp_path / "model", MODEL))

    assert [sentence.split(" ")[0] for sentence in found] == ["strata", "the"]
