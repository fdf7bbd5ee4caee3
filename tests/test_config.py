from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from riskmodel.config import (
    Capacity,
    GateLimits,
    ProtectedFeatures,
    actions_file,
    gates_file,
    read_actions,
    read_configuration,
    read_gate_limits,
    read_recipe,
    read_region_rules,
    recipe_file,
    region_rules_file,
    rule_on,
)
from riskmodel.domain import Family
from riskmodel.errors import ConfigurationError
from riskmodel.evaluation.gates import Limits
from riskmodel.evaluation.groups import GROUPINGS
from riskmodel.features import PROTECTED
from riskmodel.recipe import PLAIN, Search
from riskmodel.wording import LANGUAGES, has

CONFIGS = Path(__file__).parents[1] / "configs"
MINIMAL = {
    "config_version": 1,
    "region": "here",
    "workspace": "w",
    "sources": [{"name": "s", "path": "p"}],
    "as_of": {"weeks": [4], "current": {"term": "2025-2026-1", "week": 4}},
    "horizon": {"days": 180},
    "bands": {"reach_out": 0.1, "check_in": 0.05},
    "capacity": {"share": 0.02},
}


def written(folder: Path, content: object) -> Path:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["demo", "example", "oulad"])
def test_every_configuration_that_is_shipped_can_be_read_with_its_region(name: str) -> None:
    file = CONFIGS / f"{name}.yaml"

    configuration = read_configuration(file)

    assert read_region_rules(region_rules_file(file, configuration.region))


def test_the_annotated_example_names_every_key_there_is() -> None:
    said = yaml.safe_load((CONFIGS / "example.yaml").read_text(encoding="utf-8"))

    assert set(said) == set(type(read_configuration(CONFIGS / "example.yaml")).model_fields)


def test_an_unknown_key_is_refused_and_named_together_with_every_other_problem(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL | {"capcity": 3, "config_version": 2})

    with pytest.raises(ConfigurationError) as refused:
        read_configuration(file)

    assert "capcity" in refused.value.text("en")
    assert "config_version" in refused.value.text("zh")
    assert "mine.yaml" in refused.value.text("en")


def test_a_missing_file_and_a_broken_one_say_where_they_are(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: 1\n b: [", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        read_configuration(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match="row 2"):
        read_configuration(broken)


def test_the_rule_of_a_day_is_the_latest_that_has_begun(tmp_path: Path) -> None:
    rules = read_region_rules(
        written(
            tmp_path,
            {
                "config_version": 1,
                "rules": [
                    {"version": "new", "valid_from": date(2025, 9, 1), "source": "s"},
                    {"version": "old", "valid_from": date(2023, 9, 1), "source": "s"},
                ],
            },
        )
    )

    assert rule_on(rules, date(2025, 8, 31)).version == "old"
    assert rule_on(rules, date(2025, 9, 1)).version == "new"
    with pytest.raises(ConfigurationError, match="2023-08-31"):
        rule_on(rules, date(2023, 8, 31))


@pytest.mark.parametrize("file", sorted((CONFIGS / "recipes").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_recipe_that_is_shipped_can_be_read_and_has_a_name_in_both_languages(file: Path) -> None:
    recipe = read_recipe(file)
    assert recipe.name == file.stem
    assert all(has(f"evaluation.model.{recipe.name}", language) for language in LANGUAGES)


def test_a_recipe_lies_beside_its_configuration_and_says_only_what_differs(tmp_path: Path) -> None:
    file = recipe_file(tmp_path / "mine.yaml", "ours")
    file.parent.mkdir()
    said = {"config_version": 1, "trees": {"depth": 2}, "search": {"trials": 3, "minutes": 1}}
    file.write_text(yaml.safe_dump(said | {"linear": {"prior_sd": 0.3}}), encoding="utf-8")
    recipe = read_recipe(file)
    assert recipe.prior_sd == 0.3
    assert (recipe.name, recipe.trees.depth, recipe.trees.rounds) == ("ours", 2, PLAIN.trees.rounds)
    assert recipe.search == Search(trials=3, minutes=1)


@pytest.mark.parametrize(
    "wrong", [{"parts": ["trees", "trees"]}, {"parts": ["linear"], "search": {"trials": 3, "minutes": 1}}]
)
def test_a_recipe_that_means_nothing_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"config_version": 1, **wrong}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_recipe(file)
    assert refused.value.code == "configuration_invalid"


def test_lists_may_be_levelled_by_every_grouping_of_the_audit_and_by_no_other() -> None:
    (levelled,) = get_args(Capacity.model_fields["equal_recall_by"].annotation)[:1]
    assert list(get_args(levelled)) == [grouping.name for grouping in GROUPINGS]


def test_the_gates_file_holds_a_limit_for_every_gate_and_nothing_else() -> None:
    read = read_gate_limits(gates_file(CONFIGS / "demo.yaml"))
    assert {field.name for field in fields(Limits)} == set(GateLimits.model_fields) - {"config_version"}
    assert read.observed_over_expected == (0.8, 1.25)


@pytest.mark.parametrize(
    ("key", "value"),
    [("auc_low", 1.2), ("calibration_slope", [1.25, 0.8]), ("beaten_by", ["luck"]), ("unknown", 1)],
)
def test_a_limit_that_cannot_be_is_refused_with_its_key(tmp_path: Path, key: str, value: object) -> None:
    told = yaml.safe_load((CONFIGS / "gates.yaml").read_text(encoding="utf-8")) | {key: value}
    file = tmp_path / "gates.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_gate_limits(file)
    assert refused.value.code == "gates_invalid"
    assert all(key in refused.value.text(language) for language in LANGUAGES)


@pytest.mark.parametrize(
    "decision",
    [
        {"use": ["disability_registered"]},
        {"use": ["disability_registered"], "decided": ""},
        {"use": [], "decided": "a notice"},
        {"use": ["household_rural"], "decided": "a notice"},
    ],
)
def test_a_decision_on_a_protected_trait_names_the_trait_and_where_it_is_written(
    tmp_path: Path, decision: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(written(tmp_path, MINIMAL | {"protected_features": decision}))
    assert "protected_features" in refused.value.text("zh")


def test_the_traits_that_a_bureau_may_decide_on_are_those_that_are_protected() -> None:
    assert get_args(get_args(ProtectedFeatures.model_fields["use"].annotation)[0]) == PROTECTED


def test_the_action_library_has_two_steps_for_every_family_in_both_languages() -> None:
    read = read_actions(actions_file(CONFIGS / "demo.yaml"))
    assert set(read) == set(get_args(Family)) - {"season"}
    assert all(sum(step.audience == "class_teacher" for step in steps) >= 2 for steps in read.values())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda steps: steps.pop("money"), "money"),
        (lambda steps: steps["money"].pop(), "steps.money"),
        (lambda steps: steps.update(wealth=steps["money"]), "steps.wealth"),
        (lambda steps: steps["money"][0].pop("en"), "steps.money.0.en"),
        (lambda steps: steps["money"][0].update(zh="问问这名贫困生缺什么"), "贫困生"),
        (lambda steps: steps["money"][0].update(audience="parent"), "steps.money.0.audience"),
        (lambda steps: steps["money"][0].update(fr="Parler"), "fr"),
    ],
)
def test_a_slip_in_the_action_library_is_told_with_its_key(tmp_path: Path, change: Any, told: str) -> None:
    content = yaml.safe_load((CONFIGS / "actions.yaml").read_text(encoding="utf-8"))
    change(content["steps"])
    file = tmp_path / "actions.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_actions(file)
    assert refused.value.code == "actions_invalid"
    assert told in refused.value.text("zh")


@pytest.mark.parametrize("url", ["http://tracking.bureau:5000", "https://tracking.bureau/mlflow/"])
def test_the_address_of_a_tracking_server_is_taken(tmp_path, url):
    assert read_configuration(written(tmp_path, MINIMAL | {"tracking": url})).tracking == url.rstrip("/")


FORBIDDEN_ADDRESSES = [
    f"{scheme}{rest}"
    for scheme in ("file:", "file://", "sqlite:///", "postgresql://", "s3://", "ftp://", "databricks:", "gopher://")
    for rest in ("/etc/passwd", "host/../../x")
] + [
    "", "/etc/passwd", "../mlflow", "http:", "http://", "https:///x", "//host", "javascript:alert(1)",
    "http://user@host", "http://user:secret@host", "http://host/#/../..", "http://host/a/../b", "http://host?x=1",
    "http://host;x", "http://ho st", "http://host\\x", "http://host%2f..", "http://host\n", "http://host:0",
    "http://host:99999", "http://[::1", "httpx://host", "http+unix://socket", "http://\u4e2d\u6587",
    "HTTP//host", "uc:x", "mlflow-artifacts:/x", "http://host/\x00", "data:text/plain,x", "http://host\tx",
    "hdfs://host", "runs:/1/model", "models:/a/1", "jdbc:postgresql://host",
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN_ADDRESSES)
def test_no_other_address_is_taken_for_a_tracking_server(tmp_path, url):
    assert len(FORBIDDEN_ADDRESSES) >= 50
    with pytest.raises(ConfigurationError):
        read_configuration(written(tmp_path, MINIMAL | {"tracking": url}))


def test_a_recipe_stands_once_among_challengers(tmp_path):
    told = {"recipe": "hazard", "challengers": ["average"]}
    assert read_configuration(written(tmp_path, MINIMAL | told)).challengers == ("average",)
    for told in ({"recipe": "hazard", "challengers": ["hazard"]}, {"challengers": ["average", "average"]}):
        with pytest.raises(ConfigurationError):
            read_configuration(written(tmp_path, MINIMAL | told))
