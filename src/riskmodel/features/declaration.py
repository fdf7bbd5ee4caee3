"""What a feature is: one declared value."""

from __future__ import annotations

from dataclasses import dataclass, fields

from riskmodel.domain import FeatureInfo


@dataclass(frozen=True, kw_only=True)
class Feature(FeatureInfo):
    """A feature and the SQL that computes it.

    Attributes
    ----------
    expression
        An SQL expression over the rows of its group's relation, written in this package and never made
        of user text. NULL where the value is not known.
    """

    expression: str

    @property
    def info(self) -> FeatureInfo:
        """What travels of the declaration once the value is computed."""
        return FeatureInfo(**{each.name: getattr(self, each.name) for each in fields(FeatureInfo)})


@dataclass(frozen=True)
class Group:
    """Features that are computed from the same rows.

    Attributes
    ----------
    relation
        A query (CTEs allowed) over the as-of relations with a column `student_id`. Its rows are grouped
        by student, so that an expression is an aggregate; `any_value` reads what is the same in all rows
        of a student. A student without a row has NULL in every feature of the group.
    per_student
        The relation has one row of each student already, and an expression is read from it as it stands.
    """

    name: str
    relation: str
    features: tuple[Feature, ...]
    per_student: bool = False

    def query(self, columns: str) -> str:
        """Return the query of some columns, made of expressions, with `student_id` before them."""
        grouping = "" if self.per_student else "GROUP BY student_id"
        return f"WITH rows_of AS ({self.relation}) SELECT student_id, {columns} FROM rows_of {grouping}"
