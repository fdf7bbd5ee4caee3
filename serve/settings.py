"""What the web process is told: environment variables `RISKMODEL_*`, or arguments of `python -m serve`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of the web process.

    Attributes
    ----------
    workspace
        The workspace folder in which `store/` lies (`RISKMODEL_WORKSPACE`).
    host, port
        Where to listen (`RISKMODEL_HOST`, `RISKMODEL_PORT`). Other machines are let in by a proxy with TLS.
    wait_seconds
        How long to wait for a lock on the store or on the log of looks.
    workers
        Processes that answer (`RISKMODEL_WORKERS`); one for each core is enough.
    requests_per_minute
        How often each key may ask (`RISKMODEL_REQUESTS_PER_MINUTE`); ten seconds' worth of it at once.
    """

    model_config = SettingsConfigDict(env_prefix="RISKMODEL_", frozen=True)

    workspace: Path = Path("workspace")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    wait_seconds: float = Field(default=5.0, gt=0)
    workers: int = Field(default=1, ge=1, le=64)
    requests_per_minute: int = Field(default=600, ge=6)
