"""One child's rights: everything that is held about it, in one folder; and its erasure, without a trace.

Outside of both are the files that the sources sent, which are not ours: whoever sent them erases them there.
A child that was erased stays out when they are sent again.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from riskmodel.domain import Language, ScoredStudent, TermFacts
from riskmodel.errors import Where, WorkspaceError
from riskmodel.pipelines.child_marks import ChildMarks
from riskmodel.pipelines.inputs import remove_scoring
from riskmodel.pipelines.lists import write_list
from riskmodel.pipelines.run import Run, clock
from riskmodel.records.deliveries.erasing import erase_from_records, numbers_of
from riskmodel.records.keeping.durable import remove_halves
from riskmodel.records.keeping.erased import remove_rows, rows_naming
from riskmodel.records.store import RecordStore
from riskmodel.store.audit import AuditLog, Look, open_audit
from riskmodel.store.children import erase_student, rows_about
from riskmodel.store.engine import FILE_NAME, Store, open_store
from riskmodel.store.looks import looks_at
from riskmodel.store.principals import Principal
from riskmodel.store.rows import read_student
from riskmodel.store.sets import set_of
from riskmodel.wording import LANGUAGES, text
from riskmodel.wording.statements import statement_text, unknown_text
from riskmodel.workspace import file_stem

OFFICE = Principal(key_id="riskmodel", role="bureau")
_KEPT_APART = ("records", "store")
"""Folders that rooms of their own see to."""
_MADE_AGAIN = ("sheets", "check", "exports")
"""Folders whose files a command writes anew: one that names the child goes whole."""
_PACKED = (".xlsx", ".zip", ".pdf", ".png")


def export_child(run: Run, student_id: str, *, out: Path) -> tuple[Path, ...]:
    """Write everything that is held about one child into a folder: tables as CSV, explanations in words.

    Parameters
    ----------
    out
        A folder that is empty, or is not there yet. It holds a child's data: keep it as such.

    Raises
    ------
    WorkspaceError
        If nothing at all is held about the child, or the folder holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise WorkspaceError("export_folder_not_empty", Where(file=str(out)))
    store = RecordStore.open(run.workspace.records)
    values = {student_id} | numbers_of(store, student_id)
    files: list[Path] = []
    for file in _parquet_files(run.workspace.root):
        rows = rows_naming(file, values)
        if len(rows):
            place = file.relative_to(run.workspace.root).with_suffix(".csv")
            files.append(_write_csv(out / "tables" / place, rows.column_names, rows.to_pylist()))
    if (run.workspace.store / FILE_NAME).exists():
        with closing(open_store(run.workspace.store)) as published:
            files += _export_published(published, student_id, out)
    if not files:
        raise WorkspaceError("student_not_recorded")
    for language in LANGUAGES:
        notice = out / f"README.{language}.txt"
        notice.write_text(text("export.notice", language, student_id=student_id), encoding="utf-8")
        files.append(notice)
    run.say("child_exported", files=len(files), folder=out)
    return tuple(files)


def _export_published(store: Store, student_id: str, out: Path) -> Iterator[Path]:
    for table, rows in rows_about(store, OFFICE, student_id).items():
        if rows:
            yield _write_csv(out / "published" / f"{table}.csv", list(rows[0]), rows)
        if table == "published_student":
            for row in rows:
                with store.reading() as connection:
                    facts = set_of(connection, row["set_id"]).facts
                student = read_student(row["content"])
                for language in LANGUAGES:
                    page = out / "explanations" / f"{row['set_id']}.{language}.txt"
                    page.parent.mkdir(parents=True, exist_ok=True)
                    page.write_text(_explained(student, facts, language), encoding="utf-8")
                    yield page
    with closing(open_audit(store.folder)) as audit:
        looks = [asdict(look) for look in looks_at(store, audit, OFFICE, student_id)]
    if looks:
        yield _write_csv(out / "looks.csv", list(looks[0]), looks)


def _explained(student: ScoredStudent, facts: TermFacts, language: Language) -> str:
    units = facts.units
    lines = [
        f"{facts.term}  {facts.as_of_date}",
        text(f"bands.{student.band}.name", language),
        "" if student.risk is None else f"{student.risk:.4f}",
        *(statement_text(one, units, language) for one in (*student.reasons, *student.strengths)),
        *(unknown_text(one, units, language) for one in student.unknowns),
    ]
    return "\n".join(line for line in lines if line) + "\n"


def erase_child(run: Run, student_id: str, *, by: str) -> None:
    """Remove one child from everything that this workspace holds, and keep it out for good.

    Rows go from the records, the published store and every table that was computed; lists, sheets and pages
    that name the child go, or lose its lines. Then everything is searched. The child's rows in the log of
    looks stay, under their keyed hash, as do the counts that it was part of.

    Raises
    ------
    WorkspaceError
        If nobody says who decided, nothing is held about the child, or something that names it could not be
        removed: then the files are named, and the command can be given again.
    StoreError
        If the published store is in use for longer than the waiting time.
    """
    if not by.strip():
        raise WorkspaceError("erase_needs_a_name")
    seconds = clock()
    store = RecordStore.open(run.workspace.records)
    numbers = numbers_of(store, student_id)
    values = {student_id, *numbers}
    schools, names = _known_of(store, student_id)
    removed = 0
    # What killed steps left: halves cannot be searched, and scores by row would lose their place.
    remove_halves(run.workspace.root)
    remove_scoring(run)
    if (run.workspace.store / FILE_NAME).exists():
        with closing(open_store(run.workspace.store)) as published:
            rows = rows_about(published, OFFICE, student_id)
            schools |= {row["school_id"] for row in rows["published_student"]}
            removed += erase_student(published, OFFICE, student_id, at=datetime.now(UTC))
            with closing(open_audit(run.workspace.store)) as audit:
                _note(audit, student_id)
    if not schools and not removed:
        raise WorkspaceError("student_not_recorded")
    changed = _remove_lists_of(run.workspace.root, schools)
    for file in _parquet_files(run.workspace.root):
        if _folder(run, file) not in _KEPT_APART:
            removed += remove_rows(file, values)
    changed += _clean_other_files(run, ChildMarks(values), names)
    # The records last: until then a second call finds the same numbers and names.
    removed += erase_from_records(store, values, by=by.strip(), on=run.today)
    left = traces(run.workspace.root, values)
    if left:
        raise WorkspaceError("erase_left_traces", files=", ".join(str(file) for file in left))
    run.say("child_erased", rows=removed, files=changed, seconds=seconds())


def traces(root: Path, values: Collection[str]) -> list[Path]:
    """Return the files of a workspace, the sources' own left out, in which an id or a number stands."""
    marks = ChildMarks(values)
    return [file for file in _files(root) if marks.stand_in(file)]


def _known_of(store: RecordStore, student_id: str) -> tuple[set[str], set[str]]:
    schools: set[str] = set()
    for file in store.files("enrolments"):
        schools |= set(rows_naming(file, [student_id]).column("school_id").to_pylist())
    names: set[str] = set()
    for file in store.files("students"):
        names |= {name for name in rows_naming(file, [student_id]).column("name").to_pylist() if name}
    return schools, names


def _note(audit: AuditLog, student_id: str) -> None:
    audit.record(
        Look(
            at=datetime.now(UTC), key_id=OFFICE.key_id, route="riskmodel erase", method="DELETE", status=200,
            set_id=None, request_id="", purpose="correction", missed=(student_id,),
        )
    )  # fmt: skip


def _remove_lists_of(root: Path, schools: Collection[str]) -> int:
    """Remove sheets and lists, of aid too, of the child's schools: their pages show many at once."""
    removed = 0
    for stem in map(file_stem, schools):
        for folder in (*root.glob(f"sheets/*/{stem}"), *root.glob(f"allocations/*/{stem}")):
            shutil.rmtree(folder)
            removed += 1
        for file in root.glob(f"check/*/expected/{stem}.*"):
            file.unlink()
            removed += 1
    return removed


def _clean_other_files(run: Run, marks: ChildMarks, names: Collection[str]) -> int:
    """Take the child out of every other file: the whole file, its lines, or its id and numbers.

    A name counts only in files that a command writes anew: elsewhere it may be another's, an approver's too.
    """
    changed = 0
    for file in _files(run.workspace.root):
        if file.suffix in (".parquet", ".db") or _folder(run, file) in _KEPT_APART:
            continue
        made_again = _folder(run, file) in _MADE_AGAIN
        if not marks.stand_in(file) and not (made_again and _holds(file, names)):
            continue
        changed += 1
        if made_again or file.suffix in _PACKED:
            file.unlink()
            continue
        beside = file.with_name(f"{file.name}.partial")
        beside.write_bytes(marks.without(file))
        beside.replace(file)
    return changed


def _holds(file: Path, names: Collection[str]) -> bool:
    content = file.read_bytes()
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            content = b"\n".join(packed.read(name) for name in packed.namelist())
    return any(name.encode() in content for name in names)


def _files(root: Path) -> list[Path]:
    """All files of a workspace but what the sources sent."""
    return [
        file
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.relative_to(root).parts[0] not in ("county", "LOCK", "FORMAT")
    ]


def _parquet_files(root: Path) -> list[Path]:
    return [file for file in _files(root) if file.suffix == ".parquet"]


def _folder(run: Run, file: Path) -> str:
    return file.relative_to(run.workspace.root).parts[0]


def _write_csv(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Path:
    return write_list(file, columns, ([_cell(row[name]) for name in columns] for row in rows))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
