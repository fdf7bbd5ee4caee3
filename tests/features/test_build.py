from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.domain import MATRIX_KEYS, AsOf, RegionRule
from riskmodel.errors import NotEnoughData
from riskmodel.features import ALL_FEATURES
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.records.keeping.durable import HALF, remove_halves

pytestmark = pytest.mark.slow

RULE = RegionRule(version="test", valid_from=pd.Timestamp("2020-01-01").date(), source="test")


@pytest.fixture(scope="module")
def county(make_world):
    """Eight students with something of everything, known before the as-of date."""
    world = make_world()
    for number in range(8):
        student = f"s{number}"
        world.enrol(student, grade=7, start_date="2024-09-02", end_date="2025-06-30", exit_reason="continued")
        world.enrol(student, boards=number % 2 == 0)
        world.absent(student, *world.school_days(30)[number::7], days_unexcused=0.5)
        world.sat(student, "2025-05-20", 60 + number, 70.5)
        world.sat(student, "2025-10-20", 61 + number, 68 - number / 3, None)
        away = ("none", "one")[number % 2]
        world.add("family", student_id=student, recorded_on="2025-09-05", parents_away=away,
                  distance_km=number, hardship="low_income")  # fmt: skip
        world.add("subsidies", student_id=student, programme="living_cost", start_date="2025-02-17",
                  end_date="2025-06-30", amount_yuan=500)  # fmt: skip
    divisions = (110101, 110128, 110136, 110144)
    named = zip(world.tables["students"], ("王小明", "欧阳娜娜", "Li Lei", None), divisions, strict=False)
    for row, name, division in named:
        row |= {"name": name, "roll_number": f"G{division}201010011239"}
    return world


@pytest.fixture(scope="module")
def made(county):
    return county.features()


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Compare to the last bit."""
    bits = [frame.select_dtypes("float64").to_numpy().tobytes() for frame in (one, other)]
    return bits[0] == bits[1] and one.equals(other)


def test_a_matrix_has_its_keys_and_one_float_per_feature(made) -> None:
    frame = made.reset_index()

    assert set(frame) == {*MATRIX_KEYS, *(feature.name for feature in ALL_FEATURES)}
    assert frame["as_of_date"].dtype == "datetime64[s]"
    assert pd.api.types.is_integer_dtype(frame["grade"])
    assert (frame[[feature.name for feature in ALL_FEATURES]].dtypes == "float64").all()


def test_names_are_masked_and_numbers_shortened(made) -> None:
    assert made["masked_name"].head(4).tolist() == ["王**", "欧阳**", "L**", ""]
    assert made["number_tail"].head(5).tolist() == ["1239"] * 4 + [""]


def test_rows_are_sorted_by_date_and_student(county) -> None:
    frame = county.features(
        ("2025-10-31", "2025-2026-1"), ("2025-09-29", "2025-2026-1"), buckets=3
    ).reset_index()

    keys = list(zip(frame["as_of_date"], frame["student_id"], strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 16


ROWS = {
    "attendance": {"start_date": "on", "end_date": "on", "days_absent": 1},
    "grades": {"subject": "english", "exam": "final", "exam_date": "on", "score": 7, "full_score": 100,
               "status": "sat"},
    "family": {"parents_away": "both", "hardship": "none", "distance_km": 99, "sibling_left_school": True},
    "subsidies": {"programme": "emergency", "start_date": "on", "amount_yuan": 1000},
    "enrolments": {"school_id": "north", "start_date": "2025-09-01", "grade": 8, "end_date": "2025-10-20",
                   "exit_reason": "dropped_out"},
    "attendance_reports": {"school_id": "south", "start_date": "on", "end_date": "on"},
    "ledger_events": {"event_date": "on", "event": "visited"},
}  # fmt: skip


@st.composite
def rows_known_later(draw) -> tuple[str, dict[str, object]]:
    """A row of any table that happened before or after the as-of date, and was recorded after it."""
    as_of, name = pd.Timestamp("2025-10-31").date(), draw(st.sampled_from(sorted(ROWS)))
    on = str(as_of + timedelta(days=draw(st.integers(-60, 120))))
    known = str(as_of + timedelta(days=draw(st.integers(1, 120))))
    row = {key: on if value == "on" else value for key, value in ROWS[name].items()}
    student = {} if name == "attendance_reports" else {"student_id": f"s{draw(st.integers(0, 8))}"}
    return name, student | row | {"recorded_on": known}


@settings(max_examples=6, deadline=None)
@given(rows=st.lists(rows_known_later(), min_size=10, max_size=60, unique_by=str))
def test_what_became_known_after_the_as_of_date_changes_no_bit(county, made, rows) -> None:
    world = county.copy()
    for name, row in rows:
        world.add(name, **row)

    assert same(world.features(), made)


def test_what_was_known_before_moves_the_feature_that_tells_it(county, made) -> None:
    world = county.copy()
    world.absent("s0", "2025-10-29")
    world.sat("s1", "2025-10-20", 5, subject="english")
    world.add("family", student_id="s2", recorded_on="2025-10-30", parents_away="both", distance_km=30)
    world.add("subsidies", student_id="s3", programme="nutrition", start_date="2025-10-01", amount_yuan=100)

    changed = world.features()

    def moved(student: str) -> set[str]:
        own = (feature.name for feature in ALL_FEATURES)
        return {name for name in own if changed.loc[student, name] != made.loc[student, name]}

    assert {"absence_share_28d", "absence_days_28d", "absence_percentile_28d"} <= moved("s0")
    assert {"marks_last_round", "marks_percentile_365d", "fails_last_round"} <= moved("s1")
    assert {"parents_away", "parents_left_180d", "distance_km"} <= moved("s2")
    assert {"aid_grants_running", "hardship_without_aid"} <= moved("s3")


def test_neither_the_number_of_buckets_nor_the_order_of_rows_changes_a_bit(county, made) -> None:
    world = county.copy()
    for rows in world.tables.values():
        rows.reverse()

    assert same(world.features(buckets=3), made)
    in_parts = world.features(buckets=3, parts=3)
    assert same(in_parts.sort_index(), made.sort_index())
    assert same(world.features(buckets=2, parts=3), in_parts)


def test_a_bucket_made_before_is_kept_until_something_it_depends_on_changes(county, tmp_path) -> None:
    store = county.store(tmp_path / "store")
    as_of = ((AsOf(county.DAY, county.DAY, county.TERM), RULE),)
    task = StudentStageTask(store, 0, as_of, tmp_path / "work")

    def touched(task: StudentStageTask) -> int:
        return (student_stage(task) / "part-00000.parquet").stat().st_mtime_ns

    first = touched(task)
    assert touched(task) == first

    asked_otherwise = StudentStageTask(
        store, 0, ((AsOf(county.DAY, county.DAY, "2024-2025-2"), RULE),), task.out
    )
    second = touched(asked_otherwise)
    assert second > first
    assert touched(task) > second
    (task.folder / "leaving.parquet").unlink()
    assert touched(task) > second


def test_half_written_files_are_never_read(county, tmp_path) -> None:
    as_of = ((AsOf(county.DAY, county.DAY, county.TERM), RULE),)
    task = StudentStageTask(county.store(tmp_path / "store"), 0, as_of, tmp_path / "work")
    half = tmp_path / "matrix" / "part-00000" / f"matrix-{county.DAY}-{county.TERM}.parquet.1{HALF}"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")

    files = school_stage([student_stage(task)], out=tmp_path / "matrix")

    assert half not in files
    assert len(read_matrix(files).frame) == 8
    remove_halves(tmp_path / "matrix")
    assert (half.exists(), all(file.exists() for file in files)) == (False, True)


def test_worlds_taken_in_from_files_give_the_same(county, made, bureau, tmp_path) -> None:
    tables = {name: rows for name, rows in county.tables.items() if name != "ledger_events"}
    store = bureau(tables, delivered_on=county.DAY, raw=True)
    as_of = ((AsOf(county.DAY, county.DAY, county.TERM), RULE),)
    tasks = [StudentStageTask(store.folder, n, as_of, tmp_path / "work") for n in range(store.bucket_count)]

    frame = read_matrix(school_stage([student_stage(task) for task in tasks], out=tmp_path / "matrix")).frame

    assert same(frame.set_index("student_id"), made)


def test_dates_on_which_nobody_is_enrolled_are_said_so(county) -> None:
    with pytest.raises(NotEnoughData) as raised:
        county.features(("2020-10-30", "none"))

    assert raised.value.code == "cohort_empty"
