import pickle
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from riskmodel import pipelines
from riskmodel.cli import app
from riskmodel.errors import ConfigurationError, Finding, RecordsRefused, Where


def test_an_error_says_where_and_what_to_do_in_both_languages() -> None:
    error = ConfigurationError("configuration_not_yaml", Where(file="mine.yaml", row=3))

    assert error.text("zh") == "文件 mine.yaml / 第 3 行：不是有效的 YAML。请检查这一行的缩进和冒号。"
    assert error.text("en").startswith("file mine.yaml / row 3: ")
    assert error.text("zh") in str(error)
    assert error.text("en") in str(error)


def test_refused_records_name_every_finding_and_not_only_the_first() -> None:
    findings = [Finding("configuration_missing", "refuse", Where(file=name)) for name in ("a.csv", "b.csv")]

    said = RecordsRefused(findings).text("en")

    assert "2 problem(s)" in said
    assert "a.csv" in said
    assert "b.csv" in said


def test_errors_come_back_whole_from_another_process() -> None:
    plain = ConfigurationError("no_rule_for_date", Where(key="rules"), date="2023-01-01")
    refused = RecordsRefused([Finding("configuration_missing", "refuse", Where(file="a.csv"))])

    for error in (plain, refused):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes, as a process pool sends them

        assert type(again) is type(error)
        assert str(again) == str(error)


def test_the_same_problem_in_many_rows_is_one_line_that_names_them_all() -> None:
    def found(row: int, column: str) -> Finding:
        return Finding("configuration_not_yaml", "refuse", Where(file="a.csv", row=row, column=column))

    said = RecordsRefused([*(found(row, "day") for row in (2, 3, 4, 7)), found(3, "kind")]).text("en")

    assert [line.split(":")[0] for line in said.splitlines()[1:]] == [
        "- file a.csv / rows 2-4, 7 / column “day”",
        "- file a.csv / row 3 / column “kind”",
    ]


def demo_in(folder: Path) -> Path:
    config = Path(__file__).parents[1] / "configs" / "demo.yaml"
    told = yaml.safe_load(config.read_text(encoding="utf-8")) | {"workspace": str(folder)}
    shutil.copytree(config.parent / "regions", folder / "regions")
    file = folder / "demo.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    return file


def test_the_words_of_an_unexpected_error_are_not_shown_for_they_may_name_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = "王小明 G110101201001011234"

    def break_off(*_: object, **__: object) -> None:
        raise KeyError(child)

    monkeypatch.setattr(pipelines, "list_sets", break_off)
    ran = CliRunner().invoke(app, ["sets", "--config", str(demo_in(tmp_path))])
    assert ran.exit_code == 1
    assert "KeyError" in ran.output
    assert "break_off" in ran.output, "the way to it is shown"
    assert not any(part in ran.output for part in child.split())


def test_a_reader_who_has_seen_enough_is_no_error_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(pipelines, "list_sets", gone)
    ran = CliRunner().invoke(app, ["sets", "--config", str(demo_in(tmp_path))])
    assert ran.exit_code == 1
    assert ran.output == ""
