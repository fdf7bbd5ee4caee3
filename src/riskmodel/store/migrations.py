"""From an older version of the tables to the present one: one function a step, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, text, update

from riskmodel.store.rows import read_facts
from riskmodel.store.tables import KEY_PLACES, KEYS, METADATA, SCHEMA, SCHEMA_VERSION, SETS, STUDENTS


def migrate(connection: Connection, version: int | None) -> None:
    """Bring the tables from an older version to the present one, within the caller's transaction.

    Where there is no way from it (it is newer, or none of ours), nothing is changed.
    """
    if version is None or version not in _STEPS:
        return
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](connection)
    connection.execute(update(SCHEMA).values(version=SCHEMA_VERSION))


def _to_2(connection: Connection) -> None:
    """More roles, places beside schools, terms of sets, references of roll numbers; other tables are new."""
    keys = connection.execute(text("SELECT * FROM access_key")).mappings().all()
    schools = connection.execute(text("SELECT key_id, school_id FROM access_key_school")).mappings().all()
    connection.execute(text("DROP TABLE access_key_school"))
    connection.execute(text("DROP TABLE access_key"))
    METADATA.create_all(connection)
    for key in keys:
        connection.execute(insert(KEYS).values(**key))
    for school in schools:
        connection.execute(insert(KEY_PLACES).values(**school))
    connection.execute(text("ALTER TABLE published_set ADD COLUMN term TEXT NOT NULL DEFAULT ''"))
    for set_id, facts in connection.execute(select(SETS.c.set_id, SETS.c.facts)).all():
        term = read_facts(facts).term
        connection.execute(update(SETS).where(SETS.c.set_id == set_id).values(term=term))
    connection.execute(text("ALTER TABLE published_student ADD COLUMN roll_ref TEXT"))
    for index in STUDENTS.indexes:
        index.create(connection, checkfirst=True)


def _to_3(connection: Connection) -> None:
    """Of aid: who was drawn by lot with whom; before, only whether. From version 1 it is there already."""
    if "drawn" in {column["name"] for column in inspect(connection).get_columns("allocation_item")}:
        connection.execute(text("ALTER TABLE allocation_item ADD COLUMN lot_group INTEGER"))
        connection.execute(text("ALTER TABLE allocation_item DROP COLUMN drawn"))


_STEPS: Mapping[int, Callable[[Connection], None]] = {1: _to_2, 2: _to_3}
