import pickle

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
