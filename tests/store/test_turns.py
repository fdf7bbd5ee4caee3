from __future__ import annotations

import threading
from pathlib import Path

import pytest

from riskmodel.store.turns import Turn


def test_who_opened_the_same_file_waits_for_the_others_turn_to_end(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as one, (tmp_path / "lock").open("a") as other:
        first, second = Turn(one.fileno()), Turn(other.fileno())
        entered = threading.Event()

        def take() -> None:
            with second:
                entered.set()

        with first:
            waiting = threading.Thread(target=take)
            waiting.start()
            assert not entered.wait(0.2)
        waiting.join(timeout=5)
        assert entered.is_set()
        with first:  # nobody was left holding it
            pass


def test_threads_of_one_opening_never_meet(tmp_path: Path) -> None:
    within, most = 0, 0

    def take() -> None:
        nonlocal within, most
        for _ in range(300):
            with turn:
                within += 1
                most = max(most, within)
                within -= 1

    with (tmp_path / "lock").open("a") as file:
        turn = Turn(file.fileno())
        threads = [threading.Thread(target=take) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert most == 1


def test_a_turn_that_could_not_be_had_is_not_kept_from_the_others(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as file:
        turn = Turn(file.fileno())
    for _ in range(2):  # the second would wait for ever
        with pytest.raises(OSError, match="descriptor"):
            turn.__enter__()
