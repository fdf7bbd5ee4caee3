from dataclasses import replace
from pathlib import Path

import pytest

from riskmodel.domain import Band
from riskmodel.errors import RiskmodelError
from riskmodel.sheets.writing import write_school

FORMS = ("csv", "html", "pdf", "xlsx")


@pytest.fixture
def students(student):
    return (
        student,
        replace(student, student_id="st-0002", masked_name="王*", class_name="(1)班", band=Band.CHECK_IN),
        replace(student, student_id="st-0003", masked_name="䶮**", number_tail="0999"),
        replace(student, student_id="st-0004", band=Band.USUAL_CARE, listed=True, masked_name="赵**"),
        replace(student, student_id="st-0005", band=Band.NOT_ENOUGH_INFORMATION, risk=None, similar=None,
                listed=False, masked_name="钱**"),
    )  # fmt: skip


@pytest.fixture
def write(published, school, steps, hours):
    def written(folder, students, **changes):
        settings = {"languages": ("zh", "en"), "steps": steps, "hours": hours, **changes}
        return write_school(folder, students, published, school, **settings)

    return written


def test_a_list_and_for_each_audience_a_booklet_per_class_and_a_page_per_sheet(
    tmp_path, students, write
) -> None:
    written = write(tmp_path / "out", students)
    names = [str(path.relative_to(tmp_path / "out")) for path in written]
    lists = [f"list.{language}.{form}" for language in ("zh", "en") for form in FORMS]
    of_one = ["index.html"]
    for stem, count in (("g8-c01", 1), ("g8-c02", 2)):
        of_one += [f"{stem}.{language}.pdf" for language in ("zh", "en")]
        of_one += [f"{stem}-{n:03}.{lang}.html" for n in range(1, count + 1) for lang in ("zh", "en")]
    wanted = [
        *lists,
        *(f"{audience}/{name}" for audience in ("class_teacher", "counsellor") for name in of_one),
    ]
    assert sorted(names) == sorted(wanted)
    assert all(path.is_file() for path in written)


def test_file_names_tell_nothing_of_a_person(tmp_path, students, write) -> None:
    for path in write(tmp_path / "out", students, languages=("zh",)):
        for personal in ("李", "王", "䶮", "0417", "0999", "st-"):
            assert personal not in path.name


def test_the_index_lists_those_with_a_sheet_and_counts_those_without_data(tmp_path, students, write) -> None:
    write(tmp_path / "out", students)
    index = (tmp_path / "out" / "class_teacher" / "index.html").read_text(encoding="utf-8")
    assert index.index("王*") < index.index("李**") < index.index("䶮**")
    assert "赵**" not in index
    assert "钱**" not in index
    assert "未生成建议单的学生数：1" in index
    assert 'href="g8-c02-002.en.html"' in index
    assert 'href="g8-c02.en.pdf"' in index
    assert "st-0001" not in index


def test_nothing_for_the_counsellor_lies_in_the_class_teachers_folder(tmp_path, fullest, write) -> None:
    write(tmp_path / "out", (fullest,), languages=("zh",))
    secret = "同一家庭登记的一名兄姐"
    told = {
        audience: (tmp_path / "out" / audience / "g8-c01-001.zh.html").read_text(encoding="utf-8")
        for audience in ("class_teacher", "counsellor")
    }
    assert secret in told["counsellor"]
    assert secret not in told["class_teacher"]


def test_an_empty_list_is_said_in_words(tmp_path, students, write) -> None:
    write(tmp_path / "out", students[3:4])
    for file in ("list.zh.html", "class_teacher/index.html"):
        assert "不代表没有困难" in (tmp_path / "out" / file).read_text(encoding="utf-8")
    assert not list((tmp_path / "out" / "class_teacher").glob("g8*"))


def test_a_second_run_replaces_the_folder(tmp_path, students, write) -> None:
    write(tmp_path / "out", students, languages=("en",))
    write(tmp_path / "out", students[:1], languages=("zh",))
    left = {path.name for path in (tmp_path / "out" / "counsellor").iterdir()}
    assert left == {"index.html", "g8-c01.zh.pdf", "g8-c01-001.zh.html"}


def test_an_error_leaves_what_was_there_and_nothing_half_written(tmp_path: Path, students, write) -> None:
    def contents():
        return {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    write(tmp_path / "out", students[:1], languages=("zh",))
    before = contents()
    broken = replace(students[2], masked_name="\U0010fffd**")
    with pytest.raises(RiskmodelError):
        write(tmp_path / "out", (students[0], broken))
    assert contents() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_progress_counts_the_sheets(tmp_path, students, write) -> None:
    seen: list[tuple[int, int]] = []
    write(tmp_path / "out", students, languages=("zh",), progress=lambda *done: seen.append(done))
    assert seen == [(1, 6), (3, 6), (4, 6), (6, 6)]
