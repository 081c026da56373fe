import json
import shutil
from pathlib import Path

import pytest

from training.check import differences
from training.judging import NOTHING, Judged, Verdict, auc, gates
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


def test_sources_weigh_alike_in_a_stratum() -> None:
    stopped, passed = Verdict(None, 0.0), NOTHING
    rows = [
        Judged(text=Text(text=str(place), source="large", stratum="ordinary"), verdict=passed) for place in range(9)
    ]
    rows += [Judged(text=Text(text="x", source="small", stratum="payload"), verdict=stopped)]

    told = gates(rows)

    assert told["flagged"] == {"payload": 0.0, "ordinary": 0.0}
    assert (told["attacks"], told["benign"]) == (1, 9)


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
