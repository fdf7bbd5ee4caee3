"""Age and grade, moves between schools, and earlier time away.

Only the opening of the spell that makes a student a member of the cohort is read, never its end: how a
running spell ends is what is to be foreseen. Earlier spells are read whole. Who is expected back and has not
come keeps the grade of the last spell, and with it the school year in which it ended.
"""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group

_AWAY_DAYS = 120
"""A longer time between two spells is time away from school; the summer break is some 60 days. Who was taught
elsewhere in between, as the roll says, was not away, nor was who stood on the next roll before the former one
was closed; suspension with papers has its own sentence."""

RELATION = """
WITH spells AS (
    SELECT spell.student_id, spell.school_id, spell.grade, spell.start_date,
           lag(spell.school_id) OVER before AS previous_school,
           lag(spell.grade) OVER before AS previous_grade,
           lag(spell.end_date) OVER before AS previous_end,
           lag(spell.exit_reason) OVER before AS previous_exit,
           year(spell.start_date + INTERVAL 5 MONTH) AS school_year
    FROM enrolments AS spell JOIN cohort USING (student_id)
    WHERE spell.start_date <= cohort.start_date
    WINDOW before AS (PARTITION BY spell.student_id ORDER BY spell.start_date, spell.school_id)
),
by_grade AS (
    SELECT student_id, CAST(count(*) FILTER (years > 1) AS INTEGER) AS repeated
    FROM (SELECT student_id, grade, count(DISTINCT school_year) AS years FROM spells GROUP BY ALL)
    GROUP BY student_id
)
SELECT cohort.student_id, cohort.grade AS grade_now, cohort.school_id AS school_now,
       as_of_date, as_of_date - cohort.start_date AS spell_age, birth_date, repeated,
       coalesce(ended_on, as_of_date) AS in_grade_on,
       make_date(year(in_grade_on) - CAST(month(in_grade_on) < 9 AS INTEGER), 9, 1) AS school_year_start,
       spells.* EXCLUDE (student_id), as_of_date - spells.start_date AS age,
       previous_school <> spells.school_id AND previous_exit IS DISTINCT FROM 'graduated'
           AND NOT (previous_grade <= 6 AND spells.grade >= 7) AS transferred_in
FROM cohort CROSS JOIN as_of
LEFT JOIN students USING (student_id)
LEFT JOIN by_grade USING (student_id)
LEFT JOIN spells USING (student_id)
"""

_YEARS_OVER = "(any_value(school_year_start) - any_value(birth_date)) / 365.25 - any_value(grade_now) - 6"
"""Age on the first of September over the oldest of the grade's age: school begins at six (compulsory
education law, art. 11), so that a child who never repeated lies between -1 and 0."""

_roll = partial(Feature, source="enrolments", freshness="days_since_spell_start")
_mobility = partial(_roll, family="mobility", kind="needs_others")
_age = partial(_roll, family="age_and_grade", kind="background")

GROUP = Group(
    "enrolment",
    RELATION,
    (
        _age(name="grade_level", unit="code", expression="any_value(grade_now)"),
        _age(name="years_over_grade_age", unit="years", direction=1, source="students",
             expression=_YEARS_OVER),
        _age(name="grades_repeated", unit="count", direction=1, expression="any_value(repeated)",
             reason="reasons.repeated", reason_range=(1.0, 9.0)),
        _mobility(name="transfers_730d", unit="count", direction=1,
                  expression="count(*) FILTER (transferred_in AND age < 730)",
                  reason="reasons.transfers", reason_range=(1.0, 20.0)),
        _mobility(name="months_at_school", unit="months", direction=-1,
                  expression="max(age) FILTER (school_id = school_now) / 30.4375",
                  reason="reasons.new_at_school", reason_range=(0.0, 6.0),
                  strength="strengths.settled", strength_range=(12.0, 200.0)),
        _mobility(name="days_since_spell_start", unit="days", expression="any_value(spell_age)"),
        _mobility(name="returned_before", unit="flag", direction=1,
                  expression=f"""max(CAST(
                      coalesce(previous_exit = 'dropped_out' AND start_date > previous_end, false)
                      OR coalesce(start_date - previous_end > {_AWAY_DAYS} AND coalesce(previous_exit, '')
                          NOT IN ('transferred', 'emigrated', 'home_teaching', 'suspended'), false)
                      AS INTEGER))""",
                  reason="reasons.returned_before", reason_range=(1.0, 1.0)),
        _mobility(name="suspended_before", unit="flag", direction=1,
                  expression="max(CAST(coalesce(previous_exit = 'suspended', false) AS INTEGER))",
                  reason="reasons.suspended_before", reason_range=(1.0, 1.0)),
    ),
)  # fmt: skip
