"""Who is who: opaque ids where a source knows children only by roll number, and what may not be one child.

An id is a keyed hash of the first number that a child was known by: the same number gives the same id, and
nobody without the key can tell the number from it. Numbers change (temporary to lasting, a corrected
identity number); which of them mean one child stands in `identities` of the store, and two are only joined
where somebody says so with evidence: a row of `roll_number_changes`, or a source that knows both the number
and the bureau's own id.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from riskmodel.errors import Where, WorkspaceError
from riskmodel.records.checking.people import check_people
from riskmodel.records.checking.roll_numbers import check_roll_numbers, review_birthdays
from riskmodel.records.contract import TABLES, Column, Table
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.durable import settle
from riskmodel.records.keeping.manifest import generation_folder
from riskmodel.records.keeping.rows import hash_sql
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.store import RecordStore

IDENTITIES = "identities"
_COLUMNS = {"number": "VARCHAR", "student_id": "VARCHAR", "since": "DATE", "evidence": "VARCHAR"}
"""`evidence`: `issued` (an id of ours), `register` (another source knows the number's student), or what a row
of `roll_number_changes` says."""

ROLL_NUMBER_CHANGES = Table(
    "roll_number_changes",
    (
        Column("former_roll_number", required=True, key=True),
        Column("roll_number", required=True, key=True),
        Column("evidence", required=True),
    ),
    per_student=False,
)
"""Beside the files of a source that is keyed by roll number: which numbers mean one child, and why."""


@dataclass(frozen=True)
class Keyed:
    """Sources whose `student_id` holds the roll number, and the key from which ids are made."""

    sources: tuple[str, ...]
    key: bytes | None

    def id_of(self, number: str) -> str:
        """Return the id of a child first known by a number: `s` and 20 hex digits of a keyed sha256."""
        if self.key is None:
            raise WorkspaceError("identity_key_missing", Where())
        return "s" + hmac.new(self.key, number.encode(), hashlib.sha256).hexdigest()[:20]

    @property
    def check(self) -> str:
        """What the store keeps to know the key again; it tells nothing of the key."""
        return self.id_of("riskmodel: is this the key?") if self.key else ""


def identity_key(file: Path, *, is_new: bool) -> bytes:
    """Read the key of a workspace, or make it where there are no ids yet.

    Raises
    ------
    WorkspaceError
        If it is gone although ids were made from it: other ids would be given to the same children.
    """
    if not file.exists():
        if not is_new:
            raise WorkspaceError("identity_key_missing", Where(file=str(file)))
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32))
            out.flush()
            os.fsync(out.fileno())
        settle(file.parent)
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise WorkspaceError("identity_key_damaged", Where(file=str(file)))
    return key


def identify(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    keyed: Keyed,
    *,
    read: Mapping[tuple[str, str], Telling],
    delivered_on: date,
    findings: Findings,
) -> None:
    """Give the staged rows of keyed sources their ids, and refuse what cannot be one child.

    Needs `staged_<table>`, `sent` and `number_changes`; leaves the table `identities`.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    connection.execute(f"CREATE TEMP TABLE {IDENTITIES} ({columns})")
    file = identities_file(before)
    if file is not None:
        connection.execute(f"INSERT INTO {IDENTITIES} FROM read_parquet($file)", {"file": str(file)})
    if before is not None and before.manifest.identity_check not in ("", keyed.check) and keyed.sources:
        raise WorkspaceError("identity_key_other", Where(file=str(before.folder)))
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in keyed.sources) or "NULL"
    is_keyed = f"origin IN ({listed})"
    places = [("staged_students", "roll_number", "true"), ("staged_population", "roll_number", "true")]
    if keyed.sources:
        places += [(f"staged_{each.name}", "student_id", is_keyed) for each in TABLES if each.per_student]
    check_roll_numbers(connection, places=places, read=read, findings=findings)
    if not findings.refused and keyed.sources:
        _give_ids(connection, before, keyed, is_keyed=is_keyed, day=delivered_on, findings=findings)
    if findings.refused and keyed.sources:
        return
    review_birthdays(connection, read, findings)
    check_people(connection, before, read=read, findings=findings)


def identities_file(store: RecordStore | None) -> Path | None:
    """Return the file of the numbers' history; None where no id was ever issued."""
    if store is None:
        return None
    file = generation_folder(store.folder, store.manifest.generation) / IDENTITIES / "all.parquet"
    return file if file.exists() else None


def write_identities(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the numbers' history into a generation, where there is any."""
    if connection.execute(f"SELECT count(*) FROM {IDENTITIES}").fetchall() == [(0,)]:
        return
    file = folder / IDENTITIES / "all.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"""COPY (SELECT * FROM {IDENTITIES} ORDER BY ALL)
            TO '{str(file).replace("'", "''")}' (FORMAT parquet, COMPRESSION zstd)""".strip()
    )


def _give_ids(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    keyed: Keyed,
    *,
    is_keyed: str,
    day: date,
    findings: Findings,
) -> None:
    per_student = [table.name for table in TABLES if table.per_student]
    told = " UNION ".join(f"SELECT student_id FROM staged_{name} WHERE {is_keyed}" for name in per_student)
    numbers = {number for (number,) in connection.execute(told).fetchall()}
    known: dict[str, tuple[str, date, str]] = {
        number: (student, since, evidence)
        for number, student, since, evidence in connection.execute(f"FROM {IDENTITIES}").fetchall()
    }
    issued_before = {number: student for number, (student, _, _) in known.items()}
    changes = connection.execute(
        'SELECT former, current, evidence, origin, file, sheet, "row" FROM number_changes ORDER BY ALL'
    ).fetchall()
    _refuse_changes(changes, findings)
    joined = _joined([(former, current) for former, current, *_ in changes])
    evidence_of = {current: evidence for _, current, evidence, *_ in changes}
    register = _register(connection, before, is_keyed=is_keyed)
    for number in sorted(numbers | joined.keys()):
        family = joined.get(number, (number,))
        earlier = [(known[each][1], known[each][0]) for each in family if each in known]
        registered = {register[each] for each in family if each in register}
        if len(registered) > 1:
            findings.refuse("number_changes_two_students", Where(), students=len(registered))
            return
        if registered:
            student, evidence = registered.pop(), "register"
            if earlier and min(earlier)[1] != student:
                findings.refuse("number_known_otherwise", Where())
                return
        else:
            student = min(earlier)[1] if earlier else keyed.id_of(family[0])
            evidence = evidence_of.get(number, "issued")
        if known.get(number, ("",))[0] != student:
            known[number] = (student, known[number][1] if number in known else day, evidence)
    moved = {number for number, student in issued_before.items() if known[number][0] != student}
    connection.execute(f"DELETE FROM {IDENTITIES}")
    if known:
        rows = [(number, *told) for number, told in known.items()]
        connection.executemany(f"INSERT INTO {IDENTITIES} VALUES (?, ?, ?, ?)", rows)
    _rename(connection, per_student, is_keyed=is_keyed, moved=moved, day=day)


def _rename(
    connection: duckdb.DuckDBPyConnection, tables: list[str], *, is_keyed: str, moved: set[str], day: date
) -> None:
    """Put the ids in place of the numbers; rows of a child that was two until now are known from this day."""
    connection.execute("CREATE TEMP TABLE moved (number VARCHAR)")
    if moved:
        connection.executemany("INSERT INTO moved VALUES (?)", [(number,) for number in sorted(moved)])
    connection.execute(
        f"""UPDATE staged_students SET roll_number = coalesce(roll_number, student_id) WHERE {is_keyed}"""
    )
    for name in tables:
        connection.execute(
            f"""UPDATE staged_{name} SET known_from = greatest(known_from, $day)
                WHERE {is_keyed} AND student_id IN (FROM moved)""",
            {"day": day},
        )
        connection.execute(
            f"""UPDATE staged_{name} SET student_id = i.student_id
                FROM {IDENTITIES} AS i WHERE {is_keyed} AND staged_{name}.student_id = i.number"""
        )
        connection.execute(f"UPDATE staged_{name} SET student_hash = {hash_sql()} WHERE {is_keyed}")


def _register(
    connection: duckdb.DuckDBPyConnection, before: RecordStore | None, *, is_keyed: str
) -> dict[str, str]:
    """Return the student of each number that a source with the bureau's own ids tells."""
    told = f"SELECT roll_number, student_id FROM staged_students WHERE NOT ({is_keyed})"
    for file in before.files("students") if before else ():
        path = str(file).replace("'", "''")
        told += f""" UNION SELECT roll_number, student_id FROM read_parquet('{path}')
                     WHERE known_until IS NULL AND NOT ({is_keyed})"""
    rows = connection.execute(
        f"SELECT roll_number, min(student_id) FROM ({told}) WHERE roll_number IS NOT NULL GROUP BY ALL"
    ).fetchall()
    return dict(rows)


def _refuse_changes(
    changes: list[tuple[str, str, str, str, str, str | None, int]], findings: Findings
) -> None:
    """Refuse a number that is said to have become two."""
    became: dict[str, str] = {}
    for former, current, _, source, file, sheet, row in changes:
        if former == current or became.setdefault(former, current) != current:
            where = Where(source=source, file=file, sheet=sheet, row=row)
            findings.refuse("number_became_two", where)


def _joined(changes: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return, by number, all numbers of the same child, the first one at the head."""
    families: dict[str, tuple[str, ...]] = {}
    for former, current in changes:
        ours, theirs = families.get(former, (former,)), families.get(current, (current,))
        family = tuple(dict.fromkeys((*ours, *theirs)))
        families |= dict.fromkeys(family, family)
    later = {current for _, current in changes}
    return {
        number: tuple(sorted(family, key=lambda each: (each in later, each)))
        for number, family in families.items()
    }
