import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Spelt in pieces, so that this file does not hold what it looks for.
MACHINE_OR_REGISTRY = re.compile(
    "/wo" + "rk/|/home/[a-z]|py" + r"pi\.org|python" + r"hosted|registry\.np" + r"mjs|deb\.deb" + "ian"
)


def tracked() -> list[Path]:
    """Return the files that git tracks, or, in an unpacked archive, all but what a run made."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        made = {".venv", "workspace", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache",
                ".hypothesis", ".import_linter_cache"}  # fmt: skip
        return [
            path
            for path in ROOT.rglob("*")
            if path.is_file() and not made & set(path.relative_to(ROOT).parts)
        ]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]


def test_the_lock_files_are_hashed_and_name_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        content = lock.read_text(encoding="utf-8")

        assert "--hash=sha256:" in content
        assert "://" not in content


def test_no_tracked_file_holds_a_path_of_a_machine_or_a_registry() -> None:
    found = [
        file.name
        for file in tracked()
        if file.suffix not in {".png", ".parquet"}
        and MACHINE_OR_REGISTRY.search(file.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_no_tracked_file_is_larger_than_a_mebibyte() -> None:
    assert [file.name for file in tracked() if file.stat().st_size > 1024 * 1024] == []


def test_every_room_is_held_to_know_no_configuration() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contracts = {one["name"]: one for one in told["contracts"]}
    floors = [set(one.split(" | ")) for one in contracts["The floors: an arrow only goes down"]["layers"]]
    here = next(number for number, floor in enumerate(floors) if "riskmodel.config" in floor)
    below = set().union(*floors[here:])  # by the floors, they cannot know what lies above them
    named = set(contracts["Only cli and pipelines know configuration"]["source_modules"])
    inside = (ROOT / "src" / "riskmodel").iterdir()
    rooms = {f"riskmodel.{one.stem}" for one in inside if not one.name.startswith(("_", "py.typed"))}
    assert rooms - below - named == {"riskmodel.cli", "riskmodel.pipelines"}


def test_no_command_waits_for_libraries_that_only_a_model_needs() -> None:
    heavy = {"dask", "distributed", "lightgbm", "matplotlib", "mlflow", "scipy", "shap", "sklearn", "splink"}
    asked = f"import riskmodel.pipelines, sys; print(*({heavy} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_no_module_loads_dask_but_the_one_that_knows_it() -> None:
    every = "import pkgutil, importlib, riskmodel, sys\n" \
        "for one in pkgutil.walk_packages(riskmodel.__path__, 'riskmodel.'):\n" \
        "    one.name == 'riskmodel.runners.dask' or importlib.import_module(one.name)\n" \
        "print(*({'dask', 'distributed'} & sys.modules.keys()))"  # fmt: skip
    loaded = subprocess.run([sys.executable, "-c", every], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
