"""Files that people write for the program: read, and held against what may stand in them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from riskmodel.errors import ConfigurationError, Where
from riskmodel.yaml_text import parse_yaml

_Model = TypeVar("_Model", bound=BaseModel)


def read_settings(file: Path, model: type[_Model], *, invalid: str) -> _Model:
    """Read a YAML file as a model of its keys and values.

    Parameters
    ----------
    invalid
        Code of the sentence that lists what does not fit the model.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not YAML (with the row), or does not fit the model (with each key).
    """
    written = ""
    try:
        written = file.read_text(encoding="utf-8")
        content = parse_yaml(written)
    except OSError:
        raise ConfigurationError("configuration_missing", Where(file=str(file))) from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        mark = getattr(problem, "problem_mark", None)
        # What is never closed is noticed behind the last row; a person can only mend a row that is there.
        row = min(mark.line + 1, len(written.splitlines())) if mark else None
        raise ConfigurationError("configuration_not_yaml", Where(file=str(file), row=row)) from None
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in problem.errors()
        )
        raise ConfigurationError(invalid, Where(file=str(file)), problems=problems) from None
