"""What of an OpenAPI document a client may rely on, and what of it a later document breaks.

Under `/v1` things are added and nothing is taken away. Of requests, what was accepted must stay accepted; of
answers, what was told must stay told, in the same form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch")


def breaking_changes(accepted: Document, present: Document) -> list[str]:
    """Return what a client of the accepted document cannot do any more, or would no longer understand."""
    return sorted(_changes(accepted, present))


def _changes(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in set(methods) & set(_METHODS):
            here, there = methods[method], new["paths"].get(path, {}).get(method)
            place = f"{method.upper()} {path}"
            if there is None:
                yield f"{place}: removed"
                continue
            yield from _parameters(place, (here, old), (there, new))
            yield from _bodies(place, (here, old), (there, new))
            yield from _answers(place, (here, old), (there, new))


def _parameters(place: str, old: tuple[Document, Document], new: tuple[Document, Document]) -> Iterator[str]:
    before, after = ({(one["in"], one["name"]): one for one in told.get("parameters", ())}
                     for told, _ in (old, new))  # fmt: skip
    for key, one in before.items():
        where = f"{place} {key[0]} {key[1]}"
        if key not in after:
            yield f"{where}: removed"
            continue
        if after[key].get("required") and not one.get("required"):
            yield f"{where}: now required"
        yield from _asked(where, one["schema"], after[key]["schema"], old[1], new[1])
    for key in after.keys() - before.keys():
        if after[key].get("required"):
            yield f"{place} {key[0]} {key[1]}: new and required"


def _bodies(place: str, old: tuple[Document, Document], new: tuple[Document, Document]) -> Iterator[str]:
    before, after = (told.get("requestBody", {}).get("content", {}) for told, _ in (old, new))
    if after and not before:
        yield f"{place} body: new"
    for kind, content in before.items():
        if kind not in after:
            yield f"{place} body {kind}: removed"
        else:
            yield from _asked(f"{place} body", content["schema"], after[kind]["schema"], old[1], new[1])


def _answers(place: str, old: tuple[Document, Document], new: tuple[Document, Document]) -> Iterator[str]:
    for status, told in old[0]["responses"].items():
        then = new[0]["responses"].get(status)
        if then is None:
            yield f"{place} {status}: removed"
            continue
        for kind, content in told.get("content", {}).items():
            if kind not in then.get("content", {}):
                yield f"{place} {status} {kind}: removed"
            elif "schema" in content:
                where = f"{place} {status}"
                yield from _told(where, content["schema"], then["content"][kind]["schema"], old[1], new[1])


def _asked(
    where: str, old: Document, new: Document, of: Document, to: Document, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What was accepted and would be refused."""
    if old.get("$ref") in seen:
        return
    seen |= {old["$ref"]} if "$ref" in old else set()
    old, new = _resolved(old, of), _resolved(new, to)
    lost = _types(old, of) - _types(new, to)
    if lost:
        yield f"{where}: no longer takes {sorted(lost)}"
    for name in ("minimum", "minLength", "minItems"):
        if new.get(name, 0) > old.get(name, 0):
            yield f"{where}: {name} grew"
    for name in ("maximum", "maxLength", "maxItems"):
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{where}: {name} shrank"
    fields, later = old.get("properties", {}), new.get("properties", {})
    for name in fields.keys() - later.keys():
        yield f"{where}.{name}: removed"
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{where}.{name}: now required"
    for name in fields.keys() & later.keys():
        yield from _asked(f"{where}.{name}", fields[name], later[name], of, to, seen)
    if "items" in old and "items" in new:
        yield from _asked(f"{where}[]", old["items"], new["items"], of, to, seen)


def _told(
    where: str, old: Document, new: Document, of: Document, to: Document, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What was told and is not, or could be something that a client does not expect."""
    if old.get("$ref") in seen:
        return
    seen |= {old["$ref"]} if "$ref" in old else set()
    old, new = _resolved(old, of), _resolved(new, to)
    types, later_types = _types(old, of), _types(new, to)
    if types != later_types:
        yield f"{where}: told {sorted(types)}, now {sorted(later_types)}"
    fields, later = old.get("properties", {}), new.get("properties", {})
    for name in fields.keys() - later.keys():
        yield f"{where}.{name}: removed"
    for name in set(old.get("required", ())) - set(new.get("required", ())):
        if name in later:
            yield f"{where}.{name}: no longer always told"
    for name in fields.keys() & later.keys():
        yield from _told(f"{where}.{name}", fields[name], later[name], of, to, seen)
    for one, other in zip(_parts(old), _parts(new), strict=False):
        yield from _told(where, one, other, of, to, seen)
    for name in ("items", "additionalProperties"):
        if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
            yield from _told(f"{where}[]", old[name], new[name], of, to, seen)


def _resolved(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _parts(schema: Document) -> list[Document]:
    return sorted(schema.get("anyOf", ()), key=lambda one: str(one.get("type", "object")))


def _types(schema: Document, document: Document) -> set[str]:
    """Return the kinds of value that a schema allows; of an enumeration, its values."""
    schema = _resolved(schema, document)
    if "anyOf" in schema:
        return set().union(*(_types(part, document) for part in schema["anyOf"]))
    if "enum" in schema:
        return {repr(value) for value in schema["enum"]}
    if "const" in schema:
        return {repr(schema["const"])}
    kind = schema.get("type", "any")
    return {f"{kind}:{schema['format']}" if "format" in schema else str(kind)}
