"""Who is who: check digits, opaque ids with the numbers' history, and nobody joined or split by guessing."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from riskmodel.errors import RecordsRefused, WorkspaceError
from riskmodel.records.checking.identity import identities_file, identity_key
from riskmodel.records.checking.roll_numbers import check_character, fault_sql
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import IntakeReport, take_in
from riskmodel.records.store import RecordStore

pytestmark = pytest.mark.slow

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def number(body: str, *, prefix: str = "G") -> str:
    return f"{prefix}{body}{check_character(body)}"


ONE, TWO = number("99010120120307001"), number("99010120120415002")
ONE_TEMPORARY = "L990101201203070001"


def test_the_check_character_is_that_of_the_standard_s_own_example():
    assert check_character("11010519491231002") == "X"


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (ONE, None),
        (number("99010120120307001", prefix="J"), None),
        (ONE_TEMPORARY, None),
        ("L999999999999999999", None),
        (None, None),
        (ONE[:-1] + ("1" if ONE[-1] != "1" else "2"), "check_digit_wrong"),
        (ONE[:5] + str((int(ONE[5]) + 1) % 10) + ONE[6:], "check_digit_wrong"),
        (ONE[1:], "roll_number_malformed"),
        (ONE + "0", "roll_number_malformed"),
        (number("99010120121307001"), "roll_number_malformed"),
        ("1.10101E+17", "roll_number_malformed"),
        (ONE_TEMPORARY[:-1] + "X", "roll_number_malformed"),
    ],
)
def test_g_and_j_are_held_to_their_check_digit_and_l_never(written, fault):
    found = duckdb.execute(f"SELECT {fault_sql('n')} FROM (SELECT CAST($n AS VARCHAR) AS n)", {"n": written})
    assert found.fetchall() == [(fault,)]


def test_every_single_wrong_digit_is_found():
    written = [
        ONE[:at] + digit + ONE[at + 1 :] for at in range(1, 19) for digit in "0123456789" if ONE[at] != digit
    ]
    sql = f"SELECT count(*) FROM (SELECT unnest($all) AS n) WHERE {fault_sql('n')} IS NULL"
    assert duckdb.execute(sql, {"all": written}).fetchall() == [(0,)]


Rows = Sequence[dict[str, Any]]
Send = Callable[..., IntakeReport]


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Send files of a source that is keyed by roll number (or not) into one store."""
    folder, store = tmp_path / "in", tmp_path / "store"

    def deliver(
        students: Rows,
        *,
        month: int = 1,
        name: str = "roll",
        keyed_by: Any = "roll_number",
        key: bytes | None = KEY,
        **tables: Rows,
    ) -> IntakeReport:
        fixed: dict[str, Rows] = {
            "schools": [{"school_id": "A", "name": "甲校", "county": "甲县", "stage": "junior"}],
            "terms": [{"term": "t", "start_date": "2024-09-02", "end_date": "2025-01-17"}],
            "enrolments": [
                {"student_id": row["student_id"], "school_id": "A", "start_date": "2024-09-02", "grade": 7}
                for row in students
            ],
        }
        told = fixed | {"students": students} | tables if students else tables
        for table, rows in told.items():
            file = folder / name / f"{table}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            header = list(dict.fromkeys(column for row in rows for column in row))
            lines = [",".join(str(row.get(column) or "") for column in header) for row in rows]
            file.write_text("\n".join([",".join(header), *lines]) + "\n", encoding="utf-8")
        source = SourceFiles(name, folder / name, keyed_by=keyed_by)
        return take_in([source], store=store, delivered_on=date(2025, month, 1), identity_key=key)

    return deliver


def codes(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(RecordsRefused) as refusal:
        call()
    return [finding.code for finding in refusal.value.findings]


def ids(store: Path) -> dict[str, str]:
    """The id of each number."""
    file = identities_file(RecordStore.open(store))
    assert file is not None
    found = duckdb.execute("SELECT number, student_id FROM read_parquet($file)", {"file": str(file)})
    return dict(found.fetchall())


def child(roll_number: str, name: str = "甲", born: str = "2012-03-07", **more: Any) -> dict[str, Any]:
    return {"student_id": roll_number, "name": name, "birth_date": born, **more}


ABSENT = {"start_date": "2024-10-08", "end_date": "2024-10-08", "days_absent": 1}


def test_a_source_keyed_by_roll_number_gets_ids_that_do_not_tell_it(send, ask, tmp_path):
    send([child(ONE), child(TWO, "乙", "2012-04-15")], attendance=[{"student_id": ONE} | ABSENT])
    store = RecordStore.open(tmp_path / "store")
    given = ids(store.folder)
    assert set(given) == {ONE, TWO}
    assert all(re.fullmatch("s[0-9a-f]{20}", student) for student in given.values())
    assert ask(store, "SELECT student_id FROM attendance", "2025-02-01") == [(given[ONE],)]
    told = ask(store, "SELECT student_id, roll_number FROM students", "2025-02-01")
    assert sorted(told) == sorted((student, roll) for roll, student in given.items())
    for table in ("attendance", "enrolments"):
        for file in store.files(table):
            assert ONE.encode() not in file.read_bytes()
    assert ONE not in (store.folder / "manifest.json").read_text()


def test_the_same_number_has_the_same_id_in_every_delivery_and_another_under_another_key(send, tmp_path):
    send([child(ONE)])
    first = ids(tmp_path / "store")
    send([child(ONE), child(TWO, "乙", "2012-04-15")], month=2)
    assert ids(tmp_path / "store")[ONE] == first[ONE]
    with pytest.raises(WorkspaceError) as refusal:
        send([child(ONE), child(TWO, "丙", "2012-04-15")], month=3, key=OTHER_KEY)
    assert refusal.value.code == "identity_key_other"


def test_a_number_with_a_wrong_check_digit_is_refused_at_its_row(send):
    wrong = ONE[:-1] + ("1" if ONE[-1] != "1" else "2")
    with pytest.raises(RecordsRefused) as refusal:
        send([child(TWO), child(wrong)], keyed_by="roll_number")
    places = {(f.code, f.where.file, f.where.row) for f in refusal.value.findings}
    assert ("check_digit_wrong", "students.csv", 3) in places
    assert wrong not in str(refusal.value)


def test_a_temporary_number_and_the_lasting_one_stay_two_without_evidence_and_are_listed(send, tmp_path):
    report = send([child(ONE_TEMPORARY), child(ONE)])
    assert [f.code for f in report.findings] == ["perhaps_one_child"]
    assert len(set(ids(tmp_path / "store").values())) == 2


def change(former: str, current: str, evidence: str = "学籍系统转正记录") -> dict[str, str]:
    return {"former_roll_number": former, "roll_number": current, "evidence": evidence}


def test_a_temporary_number_that_became_a_lasting_one_by_evidence_keeps_its_id(send, ask, tmp_path):
    send([child(ONE_TEMPORARY)], attendance=[{"student_id": ONE_TEMPORARY} | ABSENT])
    student = ids(tmp_path / "store")[ONE_TEMPORARY]
    later = ABSENT | {"start_date": "2024-10-09", "end_date": "2024-10-09"}
    send(
        [child(ONE)],
        month=2,
        attendance=[{"student_id": ONE_TEMPORARY} | ABSENT, {"student_id": ONE} | later],
        roll_number_changes=[change(ONE_TEMPORARY, ONE)],
    )
    assert ids(tmp_path / "store") == {ONE_TEMPORARY: student, ONE: student}
    store = RecordStore.open(tmp_path / "store")
    assert ask(store, "SELECT DISTINCT student_id FROM attendance", "2025-02-01") == [(student,)]
    assert ask(store, "SELECT roll_number FROM students", "2025-01-31") == [(ONE_TEMPORARY,)]
    assert ask(store, "SELECT roll_number FROM students", "2025-02-01") == [(ONE,)]


def test_evidence_that_comes_after_both_numbers_joins_them_from_that_day_on(send, ask, tmp_path):
    children = [child(ONE_TEMPORARY), child(ONE)]
    later = ABSENT | {"start_date": "2024-10-09", "end_date": "2024-10-09"}
    absent = [{"student_id": ONE_TEMPORARY} | ABSENT, {"student_id": ONE} | later]
    send(children, attendance=absent)
    store = tmp_path / "store"
    before = ask(RecordStore.open(store), "FROM attendance", "2025-01-31")
    spell = {"student_id": ONE, "school_id": "A", "start_date": "2024-09-02", "grade": 7}
    joined = [change(ONE_TEMPORARY, ONE)]
    send([child(ONE)], month=2, attendance=absent, roll_number_changes=joined, enrolments=[spell])
    assert len(set(ids(store).values())) == 1
    assert ask(RecordStore.open(store), "FROM attendance", "2025-01-31") == before
    now = ask(RecordStore.open(store), "SELECT student_id, start_date FROM attendance", "2025-02-01")
    assert len(now) == 2
    assert {student for student, _ in now} == set(ids(store).values())


def test_a_change_without_evidence_is_refused(send):
    assert codes(lambda: send([child(ONE)], roll_number_changes=[change(ONE_TEMPORARY, ONE, "")])) == [
        "cell_empty"
    ]


def test_a_number_cannot_have_become_two(send):
    changes = [change(ONE_TEMPORARY, ONE), change(ONE_TEMPORARY, TWO)]
    assert "number_became_two" in codes(lambda: send([child(ONE)], roll_number_changes=changes))


def test_a_source_that_knows_number_and_id_is_evidence_for_the_id(send, ask, tmp_path):
    send([{"student_id": "b-17", "name": "甲", "roll_number": ONE}], name="bureau", keyed_by="student_id")
    send([], month=2, attendance=[{"student_id": ONE} | ABSENT])
    store = RecordStore.open(tmp_path / "store")
    assert ask(store, "SELECT student_id FROM attendance", "2025-03-01") == [("b-17",)]
    assert ids(store.folder) == {ONE: "b-17"}


def test_two_students_with_one_number_are_refused_and_both_rows_are_named(send):
    rows = [{"student_id": "a", "roll_number": ONE}, {"student_id": "b", "roll_number": ONE}]
    with pytest.raises(RecordsRefused) as refusal:
        send(rows, keyed_by="student_id")
    (finding,) = refusal.value.findings
    assert (finding.code, finding.where.row) == ("roll_number_of_two", 3)
    assert dict(finding.slots) == {"other_file": "students.csv", "other_row": "2"}


def test_a_number_that_was_corrected_may_be_given_to_the_one_it_belongs_to(send, tmp_path):
    rows = [
        {"student_id": "a", "roll_number": ONE, "recorded_on": "2024-09-10"},
        {"student_id": "a", "roll_number": TWO, "recorded_on": "2024-10-10"},
        {"student_id": "b", "roll_number": ONE, "recorded_on": "2024-10-10"},
    ]
    enrolled = [{"student_id": s, "school_id": "A", "start_date": "2024-09-02", "grade": 7} for s in "ab"]
    assert send(rows, keyed_by="student_id", enrolments=enrolled).changed


def test_a_student_who_gets_another_name_and_another_birthday_is_doubted(send):
    send([child(ONE)])
    other = [child(ONE, "完全不同", "2010-01-01")]
    assert codes(lambda: send(other, month=2)) == ["student_is_another"]
    assert send([child(ONE, "甲新")], month=2).changed


def test_the_dot_of_a_name_may_be_written_in_another_way(send):
    send([child(ONE, "买买提·吐尔逊")])
    assert send([child(ONE, "买买提•吐尔逊", "2012-03-08")], month=2).changed


def test_a_birthday_or_sex_that_the_number_contradicts_is_kept_and_listed(send):
    report = send([child(ONE, born="2011-03-07", sex="F")])
    found = {(f.code, f.where.column) for f in report.findings}
    assert found == {("roll_number_disagrees", "birth_date"), ("roll_number_disagrees", "sex")}


def test_the_key_is_made_once_for_its_owner_alone_and_never_a_second_time(tmp_path):
    file = tmp_path / "identity.key"
    key = identity_key(file, is_new=True)
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert identity_key(file, is_new=False) == key
    file.unlink()
    with pytest.raises(WorkspaceError) as refusal:
        identity_key(file, is_new=False)
    assert refusal.value.code == "identity_key_missing"
    file.write_text("half")
    with pytest.raises(WorkspaceError) as refusal:
        identity_key(file, is_new=False)
    assert refusal.value.code == "identity_key_damaged"
