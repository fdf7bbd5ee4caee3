"""Names and numbers of invented children.

Nobody can be meant by them: given names are the stems and branches of the old calendar (甲子, 乙丑 …), the
division codes 9900xx exist nowhere, and the student ids are a scrambled running number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SURNAMES = np.array(list("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余"))
_GIVEN = np.array([stem + branch for stem in "甲乙丙丁戊己庚辛壬癸" for branch in "子丑寅卯辰巳午未申酉戌亥"])
_BASE32 = np.array(list("abcdefghijkmnpqrstuvwxyz23456789"))
_ID_BITS = 50
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_CHECK = np.array(list("10X98765432"))
"""Weights and check characters of GB 11643 (ISO 7064, MOD 11-2)."""


def student_ids(first: int, count: int, *, seed: int) -> NDArray[np.str_]:
    """Return `count` opaque ids, distinct over all running numbers from 0 to 2**50 under one seed."""
    rng = np.random.default_rng([seed, 50])
    factor, offset = (int(rng.integers(2 ** (_ID_BITS - 1), 2**_ID_BITS)) | 1, int(rng.integers(2**_ID_BITS)))
    mask = np.uint64(2**_ID_BITS - 1)
    with np.errstate(over="ignore"):
        number = np.arange(first, first + count, dtype=np.uint64) * np.uint64(factor) + np.uint64(offset)
        number &= mask
        number ^= number >> np.uint64(23)
        number = (number * np.uint64(factor ^ 2)) & mask
    digits = [(number >> np.uint64(5 * i)) & np.uint64(31) for i in range(10)]
    text = np.full(count, "s", dtype="<U11")
    for digit in digits:
        text = np.char.add(text, _BASE32[digit.astype(np.intp)])
    return text


def names(households: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.str_]:
    """Return a name per child; children of one household share the family name."""
    surnames = SURNAMES[rng.integers(len(SURNAMES), size=int(households.max()) + 1)]
    return np.char.add(surnames[households], _GIVEN[rng.integers(len(_GIVEN), size=len(households))])


def national_numbers(
    division: str, born: NDArray[np.datetime64], male: NDArray[np.bool_]
) -> NDArray[np.str_]:
    """Return 18 characters each: division, day of birth, running number (odd for boys), check character."""
    order = np.lexsort((male, born))
    day_and_sex = born[order].astype(np.int64) * 2 + male[order]
    start = np.r_[True, day_and_sex[1:] != day_and_sex[:-1]]
    position = np.arange(len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = position - np.maximum.accumulate(np.where(start, position, 0))
    compact = np.char.replace(np.datetime_as_string(born, unit="D"), "-", "")
    running = np.char.zfill((2 * (rank + 1) + male).astype(str), 3)
    body = np.char.add(np.char.add(division, compact), running)
    return np.char.add(body, check_characters(body))


def check_characters(bodies: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the check character (GB 11643) of each 17-digit body."""
    digits = np.ascontiguousarray(bodies.astype("<U17")).view("<U1").reshape(len(bodies), 17).astype(np.int64)
    checks: NDArray[np.str_] = _CHECK[(digits @ _WEIGHTS) % 11]
    return checks
