import shutil
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as that of the notebooks: what one has made there, the next uses again."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(
        FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("workspace*", "*.ipynb")
    )
    return folder


@pytest.mark.parametrize("notebook", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_every_notebook_runs_from_top_to_bottom(notebook: Path, beside: Path) -> None:
    NotebookClient(
        jupytext.read(notebook),
        timeout=600,  # seconds a cell, on a machine that does other things as well
        kernel_name="python3",
        resources={"metadata": {"path": beside}},
    ).execute()
