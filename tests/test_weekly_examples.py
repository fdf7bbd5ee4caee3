"""The cron line and systemd units of docs/how-to/weekly-scoring.md: the very lines, in a bare environment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from riskmodel.cli import app

WEEKLY = Path(__file__).parents[1] / "configs" / "weekly"
HOME = "/srv/riskmodel"


def cron_line() -> str:
    (line,) = [
        line for line in (WEEKLY / "riskmodel.cron").read_text().splitlines() if line.startswith("30 5 ")
    ]
    minute, hour, day, month, weekday, user, command = line.split(maxsplit=6)
    assert (minute, hour, day, month, weekday, user) == ("30", "5", "*", "*", "1", "riskmodel")
    assert "%" not in command  # cron would end the line there
    return command


def run_cron(home: Path, codes: dict[str, int]) -> tuple[int, str, list[str]]:
    """Run the line where the program says what it was asked, and ends as it is told."""
    program = home / ".venv" / "bin" / "riskmodel"
    program.parent.mkdir(parents=True, exist_ok=True)
    ends = "\n".join(f"[ $1 = {name} ] && exit {code}" for name, code in codes.items())
    program.write_text(f'#!/bin/sh\necho "$@" >> asked\necho "said by $1"\n{ends}\nexit 0\n')
    program.chmod(0o755)
    line = cron_line().replace(HOME, str(home))
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LOGNAME": "riskmodel", "SHELL": "/bin/sh"}
    ran = subprocess.run(["/bin/sh", "-c", line], env=bare, capture_output=True, text=True, cwd="/")
    asked = [each.split()[0] for each in (home / "asked").read_text().splitlines()]
    return ran.returncode, ran.stdout, asked


def test_a_quiet_week_prints_nothing_so_that_cron_mails_nothing(tmp_path: Path) -> None:
    code, said, asked = run_cron(tmp_path, {})
    assert (code, said, asked) == (0, "", ["intake", "score", "monitor"])
    assert "said by monitor" in (tmp_path / "weekly.log").read_text()


def test_an_alarm_prints_the_end_of_the_log_and_a_refused_delivery_stops_the_rest(tmp_path: Path) -> None:
    _, said, asked = run_cron(tmp_path / "alarm", {"monitor": 3})
    assert "said by monitor" in said
    assert asked == ["intake", "score", "monitor"]
    _, said, asked = run_cron(tmp_path / "refused", {"intake": 1})
    assert "said by intake" in said
    assert asked == ["intake"]


def test_cron_and_systemd_run_the_same_commands_and_the_command_line_takes_them() -> None:
    unit = (WEEKLY / "riskmodel-weekly.service").read_text()
    starts = [line.split("=", 1)[1] for line in unit.splitlines() if line.startswith("ExecStart=")]
    told = [start.removeprefix(f"{HOME}/.venv/bin/riskmodel ") for start in starts]
    assert [f".venv/bin/riskmodel {each}" in cron_line() for each in told] == [True] * 3
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for each in told:
        name, *args = each.split()
        commands[name].make_context(name, args)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: systemd)")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in ("riskmodel-weekly.service", "riskmodel-weekly.timer"):
        text = (WEEKLY / name).read_text()
        # The program and the user of a server are not on this machine.
        text = text.replace(f"{HOME}/.venv/bin/riskmodel", "/bin/true").replace("User=riskmodel", "User=root")
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / "riskmodel-weekly.service"), str(tmp_path / "riskmodel-weekly.timer")]
    ran = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr.strip()) == (0, "")
    told = subprocess.run(["systemd-analyze", "calendar", "Mon 05:30"], capture_output=True, text=True)
    assert told.returncode == 0
