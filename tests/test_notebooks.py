from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_every_notebook_runs_from_top_to_bottom(notebook: Path, tmp_path: Path) -> None:
    NotebookClient(
        jupytext.read(notebook),
        timeout=600,  # seconds a cell, on a machine that does other things as well
        kernel_name="python3",
        resources={"metadata": {"path": tmp_path}},
    ).execute()
