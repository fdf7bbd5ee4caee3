"""A client that is generated from the OpenAPI file asks a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = """
package_name_override: riskmodel_client
post_hooks: []
content_type_overrides:
  application/pdf: application/octet-stream
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: application/octet-stream
"""
ASKING = """
import sys
sys.path.insert(0, sys.argv[1])
from riskmodel_client import AuthenticatedClient
from riskmodel_client.api.schools import list_schools, list_students
from riskmodel_client.api.sets import read_current_set
from riskmodel_client.api.students import batch_get_students, look_up_students, read_student_risk
from riskmodel_client.models import BatchAsked, LookupAsked, ProblemOut

address, token, number = sys.argv[2:]
with AuthenticatedClient(base_url=address, token=token) as client:
    current = read_current_set.sync(client=client)
    assert current.current is True, current
    [school] = list_schools.sync(client=client).schools
    page = list_students.sync(school.school_id, client=client, sort="-grade", limit=3)
    assert len(page.students) == 3 and page.next_, page
    risk = read_student_risk.sync("a1-2", client=client)
    assert risk.set_.set_id == current.set_.set_id and risk.risk == 0.137, risk
    refused = read_student_risk.sync_detailed("b1-0", client=client)
    assert refused.status_code == 404 and isinstance(refused.parsed, ProblemOut), refused
    asked = BatchAsked(student_ids=["a1-2", "b1-0"])
    assert [one.found for one in batch_get_students.sync(client=client, body=asked).answers] == [True, False]
    found = look_up_students.sync(client=client, body=LookupAsked(roll_numbers=[number])).answers[0]
    assert found.student.student_id == "a1-0", found
print("asked")
"""


def test_a_generated_client_asks_a_real_server(own_county: Any, tmp_path: Path) -> None:
    from .conftest import roll_number

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "serve", "--workspace", str(own_county.workspace), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "startup complete" in line:
                break
        try:
            with urllib.request.urlopen(f"{address}/openapi.json") as answer:  # noqa: S310
                (tmp_path / "openapi.json").write_bytes(answer.read())
            settings = tmp_path / "settings.yaml"
            settings.write_text(SETTINGS, encoding="utf-8")
            generator = Path(sys.executable).with_name("openapi-python-client")
            files = ("--path", tmp_path / "openapi.json", "--output-path", tmp_path / "riskmodel_client")
            generated = subprocess.run(
                [generator, "generate", "--meta", "none", *files, "--config", settings, "--fail-on-warning"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert generated.returncode == 0, generated.stdout + generated.stderr
            token = own_county.keys["school a1"].removeprefix("Bearer ")
            asked = subprocess.run(
                [sys.executable, "-c", ASKING, str(tmp_path), address, token, roll_number("a1-0")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert asked.stdout.strip() == "asked", asked.stderr
        finally:
            server.send_signal(signal.SIGINT)
            server.stderr.read()
