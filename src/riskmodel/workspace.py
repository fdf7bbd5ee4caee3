"""The workspace: the one folder in which everything that a run makes has its place."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from riskmodel.errors import Where, WorkspaceError

FORMAT = "1"
"""Version of the layout. A workspace of another version is refused: it can be made anew from the records."""


def file_stem(school_id: str) -> str:
    """Return a file name for a school: its id where that is plain, else a hash of it."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", school_id):
        return school_id
    return "school-" + hashlib.sha256(school_id.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Workspace:
    """Where things lie below `root`."""

    root: Path

    @property
    def county(self) -> Path:
        """The fictional county: `records/` as a bureau would send them, `truth/` that no pipeline reads."""
        return self.root / "county"

    @property
    def records(self) -> Path:
        """The record store."""
        return self.root / "records"

    @property
    def identity_key(self) -> Path:
        """The key from which ids are made where a source knows children only by roll number."""
        return self.root / "identity.key"

    @property
    def lookup_key(self) -> Path:
        """The key by which schools find students by roll number: beside the store, never in it."""
        return self.root / "lookup.key"

    @property
    def check(self) -> Path:
        """What the records hold and lack, to look at and to send, and the lists of those expected."""
        return self.root / "check"

    @property
    def features(self) -> Path:
        """Feature matrices, in a folder per inputs."""
        return self.root / "features"

    @property
    def labels(self) -> Path:
        """Labels, in a folder per inputs."""
        return self.root / "labels"

    @property
    def models(self) -> Path:
        """Model bundles, in a folder per version."""
        return self.root / "models"

    @property
    def backtest(self) -> Path:
        """Past terms as they would have been scored, in a folder per term, and the report on them."""
        return self.root / "backtest"

    @property
    def terms(self) -> Path:
        """What was done in each term, to be read without any program: a folder per term and model."""
        return self.root / "terms"

    @property
    def monitor(self) -> Path:
        """What was seen of each set in use, in a folder per set, and the newest figures for Prometheus."""
        return self.root / "monitor"

    @property
    def tracking(self) -> Path:
        """MLflow's database and artefacts."""
        return self.root / "mlflow"

    @property
    def untracked(self) -> Path:
        """What is to be logged in MLflow and was not yet, a folder per entry."""
        return self.root / "untracked"

    @property
    def store(self) -> Path:
        """The published store and its audit file."""
        return self.root / "store"

    @property
    def sheets(self) -> Path:
        """Sheets, in a folder per published set."""
        return self.root / "sheets"

    def sheets_of(self, set_id: str, school_id: str) -> Path:
        """Return the folder of a school's sheets of a set. An id, whatever it holds, leads nowhere else."""
        return self.sheets / set_id / file_stem(school_id)

    @property
    def ledger(self) -> Path:
        """What the ledgers tell the records: written anew before each intake."""
        return self.root / "ledger"

    @property
    def allocations(self) -> Path:
        """Lists of who gets which help, in a folder per run of allocation."""
        return self.root / "allocations"

    def aid_lists_of(self, school_id: str) -> list[Path]:
        """Return the folders of a school's lists of aid, of every run."""
        return sorted(self.allocations.glob(f"*/{file_stem(school_id)}"))

    @property
    def indicators(self) -> Path:
        """Official figures, in a folder per day of knowledge."""
        return self.root / "indicators"

    @property
    def reports(self) -> Path:
        """The periodic reports, in a folder per day of knowledge."""
        return self.root / "reports"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the workspace for one job: nobody else writes in it meanwhile.

        Raises
        ------
        WorkspaceError
            If the folder is of another version, is no workspace, cannot be written, or another job
            holds it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._check_format()
            held = (self.root / "LOCK").open("w")
        except OSError:
            raise WorkspaceError("workspace_not_writable", Where(file=str(self.root))) from None
        with held as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise WorkspaceError("workspace_in_use", Where(file=str(self.root))) from None
            yield

    def _check_format(self) -> None:
        said = self.root / "FORMAT"
        if said.exists():
            found = said.read_text(encoding="utf-8").strip()
            if found != FORMAT:
                raise WorkspaceError(
                    "workspace_of_another_version", Where(file=str(said)), found=found, wanted=FORMAT
                )
        elif any(path.name not in {"LOCK", "county"} for path in self.root.iterdir()):
            # A folder with other things in it is somebody's folder: nothing is written there.
            raise WorkspaceError("not_a_workspace", Where(file=str(self.root)))
        else:
            said.write_text(f"{FORMAT}\n", encoding="utf-8")
