"""The page on which a developer reads how to ask: rendered here from the OpenAPI document, with no script.

The usual pages load their scripts from elsewhere, which neither an offline bureau nor our content-security
policy allows.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from riskmodel.wording import codes, text
from serve.problems import STATUS

router = APIRouter(include_in_schema=False)

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
}


def static_files() -> StaticFiles:
    """Return the files that the page needs."""
    return StaticFiles(directory=Path(__file__).parent.parent / "static")


@router.get("/", name="home")
def home() -> RedirectResponse:
    """Show the way to the page."""
    return RedirectResponse("/docs")


@router.get("/docs", name="api_page")
def api_page(request: Request) -> HTMLResponse:
    """Show the page. It needs no key: nothing on it is about anybody."""
    document = request.app.openapi()
    operations = [
        {"method": method.upper(), "path": path, "curl": _curl(method, path, told), **told}
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]
    page = _templates().get_template("api.html.j2")
    return HTMLResponse(
        page.render(document=document, operations=operations, problems=STATUS, whys=codes("errors.ledger_")),
        headers=_PAGE_HEADERS,
    )


def _curl(method: str, path: str, operation: dict[str, Any]) -> str:
    """Return a command that is answered once its variables are set and the body shown lies in `body.json`."""
    asked = [one for one in operation.get("parameters", ()) if one["required"]]
    words = ["curl" if method == "get" else f"curl -X {method.upper()}"]
    if operation.get("security"):
        words.append('-H "Authorization: Bearer $KEY"')
    words += [f'-H "{one["name"]}: $(uuidgen)"' for one in asked if one["name"] == "Idempotency-Key"]
    if "requestBody" in operation:
        words.append('-H "Content-Type: application/json" -d @body.json')
    query = "&".join(f"{one['name']}=${one['name']}" for one in asked if one["in"] == "query")
    address = f"http://127.0.0.1:8000{path.replace('{', '$').replace('}', '')}"
    words.append(f'"{address}?{query}"' if query else address)
    return " ".join(words) if method == "get" else " \\\n  ".join(words)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("serve"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2)
    made.filters["kind"] = _kind
    made.globals["say"] = text
    return made


def _kind(schema: dict[str, Any]) -> str:
    """Say the type of a field in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " | ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_kind(schema['items'])}]" if "items" in schema else "[]"
    return str(schema.get("format") or schema.get("type") or schema.get("const", ""))
