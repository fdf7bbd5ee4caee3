"""Facts of a student on a day, in the contract's own words: what rules about help may ask.

Not features: nobody learns from them, and nothing is worked out but what holds on the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd

# An empty column of a family statement says nothing new: the last known value of that column holds.
_FACTS = """
WITH home AS (
    SELECT student_id,
           arg_max(carer, recorded_on) AS carer,
           arg_max(parents_away, recorded_on) AS parents_away,
           arg_max(hardship, recorded_on) AS hardship,
           arg_max(disability, recorded_on) AS disability,
           arg_max(siblings, recorded_on) AS siblings,
           arg_max(sibling_left_school, recorded_on) AS sibling_left_school,
           arg_max(distance_km, recorded_on) AS distance_km,
           arg_max(migrant_child, recorded_on) AS migrant_child
    FROM family GROUP BY student_id
),
delivered AS (SELECT count(*) > 0 AS known FROM tables_present WHERE table_name = 'subsidies'),
grants AS (
    SELECT student_id, list(DISTINCT programme ORDER BY programme) AS receiving
    FROM subsidies CROSS JOIN as_of
    WHERE start_date <= as_of_date AND coalesce(end_date >= as_of_date, true)
    GROUP BY student_id
)
SELECT cohort.student_id, cohort.school_id, township, stage, grade, boards, class_name, household,
       home.* EXCLUDE (student_id),
       CASE WHEN known THEN coalesce(receiving, []) END AS receiving
FROM cohort CROSS JOIN delivered
LEFT JOIN (SELECT student_id, household FROM students) USING (student_id)
LEFT JOIN home USING (student_id)
LEFT JOIN grants USING (student_id)
ORDER BY cohort.student_id
"""


def facts_of_day(store: RecordStore, as_of: AsOf, rule: RegionRule) -> pd.DataFrame:
    """Return what was known of each student of the cohort on a day.

    Returns
    -------
    DataFrame
        One row per student, sorted by `student_id`: `school_id`, `township`, `stage`, `grade`, `boards`,
        `class_name`, `household`, `carer`, `parents_away`, `hardship`, `disability`, `siblings`,
        `sibling_left_school`, `distance_km`, `migrant_child` as the record contract codes them, missing where
        not known; `receiving`, the programmes whose grants run on the day (a list; missing where nobody
        delivered grants).
    """
    import pandas as pd

    parts = []
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket) as reader:
            parts.append(reader.at(as_of.as_of_date, rule, as_of.term).execute(_FACTS).df())
    facts = pd.concat(parts, ignore_index=True).sort_values("student_id", ignore_index=True)
    facts.attrs["as_of_date"] = as_of.as_of_date
    return facts
