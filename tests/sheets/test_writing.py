from dataclasses import replace
from pathlib import Path

import pytest

from riskmodel.domain import Band
from riskmodel.errors import RiskmodelError
from riskmodel.sheets.writing import write_school


@pytest.fixture
def students(student):
    return (
        student,
        replace(student, student_id="st-0002", masked_name="王*", class_name="(1)班", band=Band.CHECK_IN),
        replace(student, student_id="st-0003", masked_name="䶮**", number_tail="0999"),
        replace(student, student_id="st-0004", band=Band.USUAL_CARE, listed=False, masked_name="赵**"),
        replace(student, student_id="st-0005", band=Band.NOT_ENOUGH_INFORMATION, risk=None, similar=None,
                listed=False, masked_name="钱**"),
    )  # fmt: skip


def write(folder, students, published, school, **changes):
    settings = {"languages": ("zh", "en"), "audience": "class_teacher", **changes}
    return write_school(folder, students, published, school, **settings)


def test_each_listed_student_gets_both_forms_in_each_language(tmp_path, students, published, school) -> None:
    written = write(tmp_path / "out", students, published, school)
    stems = ("g8-c01-001", "g8-c02-001", "g8-c02-002")
    names = [f"{s}.{language}.{form}" for s in stems for language in ("zh", "en") for form in ("html", "pdf")]
    assert [path.name for path in written] == ["index.html", *names]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(["index.html", *names])


def test_file_names_tell_nothing_of_a_person(tmp_path, students, published, school) -> None:
    for path in write(tmp_path / "out", students, published, school):
        for personal in ("李", "王", "䶮", "0417", "0999", "st-"):
            assert personal not in path.name


def test_the_index_lists_those_with_a_sheet_and_counts_those_without_data(
    tmp_path, students, published, school
) -> None:
    index = write(tmp_path / "out", students, published, school)[0].read_text(encoding="utf-8")
    assert index.index("王*") < index.index("李**") < index.index("䶮**")
    assert "赵**" not in index
    assert "钱**" not in index
    assert "未生成建议单的学生数：1" in index
    assert 'href="g8-c02-002.en.pdf"' in index
    assert "st-0001" not in index


def test_an_empty_list_is_said_in_words(tmp_path, students, published, school) -> None:
    written = write(tmp_path / "out", students[3:4], published, school)
    assert [path.name for path in written] == ["index.html"]
    assert "不代表没有困难" in written[0].read_text(encoding="utf-8")


def test_a_second_run_replaces_the_folder(tmp_path, students, published, school) -> None:
    write(tmp_path / "out", students, published, school)
    write(tmp_path / "out", students[:1], published, school, languages=("zh",))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html", "g8-c01-001.zh.html", "g8-c01-001.zh.pdf",
    }  # fmt: skip


def test_an_error_leaves_what_was_there_and_nothing_half_written(
    tmp_path: Path, students, published, school
) -> None:
    write(tmp_path / "out", students[:1], published, school, languages=("zh",))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    broken = replace(students[2], masked_name="\U0010fffd**")
    with pytest.raises(RiskmodelError):
        write(tmp_path / "out", (students[0], broken), published, school)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_progress_counts_the_sheets(tmp_path, students, published, school) -> None:
    seen: list[tuple[int, int]] = []
    write(tmp_path / "out", students, published, school, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
