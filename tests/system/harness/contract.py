"""Answers held against docs/openapi.json, by the part of JSON Schema that the document uses.

A keyword that is not known here is an error: a check that silently does nothing is worse than none.
"""

import json
import re
from functools import lru_cache

from .process import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "openapi.json"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
ANNOTATIONS = {"title", "description", "default", "example", "examples", "deprecated", "$comment",
               "readOnly", "writeOnly", "contentMediaType"}
FORMATS = {
    "date-time": re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"),
    "uri": re.compile(r"^[a-z][a-z0-9+.-]*:"),
    "uri-reference": re.compile(r"^\S*$"),
    "int32": None,
    "int64": None,
}


@lru_cache(maxsize=1)
def document():
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def patterns():
    """Path templates as expressions; templates with fewer parameters first."""
    rows = []
    for template in document()["paths"]:
        expression = re.sub(r"\\\{[^}]+\\\}", r"[^/]+", re.escape(template))
        rows.append((template.count("{"), re.compile(f"^{expression}$"), template))
    return sorted(rows, key=lambda row: row[0])


def operation_for(method, path):
    """The document's operation for this request, or None where it has none."""
    path = path.split("?", 1)[0]
    for _, expression, template in patterns():
        if expression.match(path):
            item = document()["paths"][template]
            found = item.get(method.lower())
            if found is None and method == "HEAD":
                found = item.get("get")
            return found
    return None


def resolve(node):
    while isinstance(node, dict) and "$ref" in node:
        target = document()
        reference = node["$ref"]
        assert reference.startswith("#/"), reference
        for part in reference[2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        if set(node) - {"$ref", "description", "summary"}:
            raise AssertionError(f"{reference} has siblings that this checker does not join")
        node = target
    return node


def check(method, path, answer):
    """Fail unless the document foresees this answer, in status, content type and body."""
    if method == "OPTIONS":
        return  # any path has it; the document lists what a route is for
    operation = operation_for(method, path)
    if operation is None:
        assert answer.status in (400, 404, 405, 413, 414, 431, 501, 503), \
            f"{method} {path} is not in the document and answered {answer.status}"
        return
    responses = operation["responses"]
    key = str(answer.status)
    response = responses.get(key) or responses.get(key[0] + "XX") or responses.get("default")
    assert response is not None, f"{method} {path}: the document has no {answer.status}"
    response = resolve(response)
    for name, header in response.get("headers", {}).items():
        if resolve(header).get("required"):
            assert answer.header(name) is not None, f"{method} {path}: no {name}"
    content = response.get("content")
    if method == "HEAD" or not answer.body:
        return
    assert content, f"{method} {path} {key}: the document has no content, the answer has"
    kind = answer.header("Content-Type", "").split(";")[0].strip()
    assert kind in content, f"{method} {path} {key}: {kind} is not among {sorted(content)}"
    schema = content[kind].get("schema")
    if schema is not None and "json" in kind:
        problem = mismatch(answer.json, schema, "body")
        assert problem is None, f"{method} {path} {key}: {problem}\n{answer.body[:2000]!r}"


def mismatch(value, schema, at):
    """None if the value fits, else one sentence that says where it does not."""
    if schema is True:
        return None
    if schema is False:
        return f"{at} must not be there"
    schema = resolve(schema)
    for keyword, argument in schema.items():
        if keyword in ANNOTATIONS or keyword.startswith("x-"):
            continue
        rule = RULES.get(keyword)
        if rule is None:
            raise AssertionError(f"the document uses {keyword}, which this checker does not know")
        problem = rule(value, argument, schema, at)
        if problem is not None:
            return problem
    return None


TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}


def rule_type(value, argument, _schema, at):
    kinds = argument if isinstance(argument, list) else [argument]
    return None if any(TYPES[kind](value) for kind in kinds) else f"{at} is not {argument}"


def rule_properties(value, argument, _schema, at):
    if isinstance(value, dict):
        for name, schema in argument.items():
            if name in value:
                problem = mismatch(value[name], schema, f"{at}.{name}")
                if problem:
                    return problem
    return None


def rule_required(value, argument, _schema, at):
    missing = [name for name in argument if name not in value] if isinstance(value, dict) else []
    return f"{at} lacks {missing}" if missing else None


def rule_additional(value, argument, schema, at):
    if isinstance(value, dict):
        for name in value:
            if name not in schema.get("properties", {}):
                problem = mismatch(value[name], argument, f"{at}.{name}")
                if problem:
                    return problem
    return None


def rule_items(value, argument, _schema, at):
    if isinstance(value, list):
        for index, item in enumerate(value):
            problem = mismatch(item, argument, f"{at}[{index}]")
            if problem:
                return problem
    return None


def rule_all_of(value, argument, _schema, at):
    return next((p for p in (mismatch(value, s, at) for s in argument) if p), None)


def rule_any_of(value, argument, _schema, at):
    problems = [mismatch(value, schema, at) for schema in argument]
    return None if None in problems else f"{at} fits none of: {problems}"


def rule_one_of(value, argument, _schema, at):
    problems = [mismatch(value, schema, at) for schema in argument]
    fitting = problems.count(None)
    return None if fitting == 1 else f"{at} fits {fitting} of {len(problems)}: {problems}"


def bound(kind, fits):
    """A rule that holds for values of one kind only, as JSON Schema has it."""
    def rule(value, argument, _schema, at):
        if TYPES[kind](value) and not fits(value, argument):
            return f"{at} = {value!r} breaks {argument!r}"
        return None
    return rule


def rule_format(value, argument, _schema, at):
    expression = FORMATS[argument]
    if isinstance(value, str) and expression is not None and not expression.match(value):
        return f"{at} = {value!r} is no {argument}"
    return None


RULES = {
    "type": rule_type,
    "properties": rule_properties,
    "required": rule_required,
    "additionalProperties": rule_additional,
    "items": rule_items,
    "allOf": rule_all_of,
    "anyOf": rule_any_of,
    "oneOf": rule_one_of,
    "format": rule_format,
    "enum": lambda v, a, s, at: None if v in a else f"{at} = {v!r} is not one of {a}",
    "const": lambda v, a, s, at: None if v == a else f"{at} = {v!r} is not {a!r}",
    "minimum": bound("number", lambda v, a: v >= a),
    "maximum": bound("number", lambda v, a: v <= a),
    "exclusiveMinimum": bound("number", lambda v, a: v > a),
    "multipleOf": bound("number", lambda v, a: v % a == 0),
    "minLength": bound("string", lambda v, a: len(v) >= a),
    "maxLength": bound("string", lambda v, a: len(v) <= a),
    "pattern": bound("string", lambda v, a: re.search(a, v) is not None),
    "minItems": bound("array", lambda v, a: len(v) >= a),
    "maxItems": bound("array", lambda v, a: len(v) <= a),
    "uniqueItems": bound("array", lambda v, a: not a or len(set(map(repr, v))) == len(v)),
    "minProperties": bound("object", lambda v, a: len(v) >= a),
}
