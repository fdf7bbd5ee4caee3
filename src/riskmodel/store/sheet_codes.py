"""The code on a printed sheet, by which paper finds its way back: only we can tell whose it is.

Fifty bits of a hash: a slip of the pen finds nobody, and who holds the paper learns no id.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator

from sqlalchemy import select

from riskmodel.domain import Band
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.scope import sees_student
from riskmodel.store.tables import SETS, STUDENTS

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: without I, L, O and U, which are misread."""
_MISREAD = str.maketrans("ILO", "110")
_LENGTH = 10


def sheet_code(set_id: str, student_id: str) -> str:
    """Return the code of a student's sheet of a set: ten characters, such as `7KQ4M-2X9TP`."""
    digest = hashlib.sha256(f"{set_id}\n{student_id}".encode()).digest()
    number = int.from_bytes(digest[:8])
    code = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_LENGTH))
    return f"{code[:5]}-{code[5:]}"


def plain_code(written: str) -> str:
    """Read a code as people write it: full-width, in small letters, without the hyphen, O for 0."""
    folded = unicodedata.normalize("NFKC", written).upper().translate(_MISREAD)
    letters = "".join(character for character in folded if character in _ALPHABET)
    return f"{letters[:5]}-{letters[5:]}" if len(letters) == _LENGTH else ""


def students_of_codes(store: Store, principal: Principal, codes: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return set id and student id of each code that is known and within the scope, the newest sets first.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    wanted, found = set(codes), {}
    for set_id, student_id in _with_a_sheet(store, principal) if wanted else ():
        code = sheet_code(set_id, student_id)
        if code in wanted:
            found[code] = (set_id, student_id)
            wanted.remove(code)
            if not wanted:
                break
    return found


def _with_a_sheet(store: Store, principal: Principal) -> Iterator[tuple[str, str]]:
    has_a_sheet = STUDENTS.c.band != Band.USUAL_CARE.value
    with store.reading() as connection:
        sets = select(SETS.c.set_id).where(SETS.c.state == "complete").order_by(SETS.c.published_at.desc())
        for set_id in connection.scalars(sets).all():
            of_set = select(STUDENTS.c.student_id).where(
                STUDENTS.c.set_id == set_id, has_a_sheet, sees_student(principal)
            )
            for student_id in connection.scalars(of_set):
                yield set_id, student_id
