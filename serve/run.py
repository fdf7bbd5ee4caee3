"""Starting the web process: the port is taken first, so that what is wrong is said before anything runs."""

from __future__ import annotations

import argparse
import errno
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from riskmodel.errors import ConfigurationError, RiskmodelError, Where
from serve.app import create_app
from serve.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. What is not given comes from the environment (`RISKMODEL_*`).

    Returns
    -------
    int
        0 after a wished end; 1 where it could not start: then one sentence in each language says why.
    """
    parser = argparse.ArgumentParser(prog="python -m serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        return serve(Settings(**given))
    except RiskmodelError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def serve(settings: Settings) -> int:
    """Serve until interrupted.

    Raises
    ------
    ConfigurationError
        If the port is in use or not allowed.
    StoreError
        If there is nothing to serve.
    """
    with listening_socket(settings.host, settings.port) as listener:
        app = create_app(settings)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        server = uvicorn.Server(
            uvicorn.Config(app, access_log=False, server_header=False, log_config=None, timeout_keep_alive=15)
        )
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            return 0
        return 0 if server.started else 1


def listening_socket(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises
    ------
    ConfigurationError
        If another program has it, or it may not be taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay (40 ms an answer) off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as problem:
        listener.close()
        code = "port_in_use" if problem.errno == errno.EADDRINUSE else "port_not_to_be_had"
        raise ConfigurationError(code, Where(key="port"), port=port) from None
    return listener
