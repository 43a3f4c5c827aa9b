"""``$name`` and ``${…}`` in the attributes of an OpenSCENARIO file, from the defaults that it declares."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping

from testbed.exchange.reading import Reading
from testbed.world.maps.xml_reader import XmlElement

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")
_LONGEST = 400
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def substitute(reading: Reading) -> None:
    """Put the declared values in place of every parameter of a document.

    Declarations hold for the element that they stand in. An expression that is more than sums and products stays as it
    is, and whoever asks for its number says that it cannot be computed.

    Raises:
        ScenarioError: A parameter is not declared.
    """
    _walk(reading, reading.root, {})


def _walk(reading: Reading, element: XmlElement, values: Mapping[str, str]) -> None:
    for name, text in element.attributes.items():
        if "$" in text and name != "parameterRef":  # which names a parameter of something else
            element.attributes[name] = _resolved(reading, element, text, values)
    holder = reading.child(element, "ParameterDeclarations")
    inner = dict(values)
    for one in reading.children(holder, "ParameterDeclaration"):
        inner[one.string("name").removeprefix("$")] = _resolved(reading, one, one.string("value"), inner)
    for child in element.children:
        if child is not holder:
            _walk(reading, child, inner)


def _resolved(reading: Reading, element: XmlElement, text: str, values: Mapping[str, str]) -> str:
    def value_of(found: re.Match[str]) -> str:
        if found[1] not in values:
            known = ", ".join(values) or "none"
            raise reading.error(
                f"<{element.tag}> names the parameter ${found[1]}, which is not declared", element, f"declared: {known}"
            )
        return values[found[1]]

    if text.startswith("${") and text.endswith("}"):
        expression = _REFERENCE.sub(value_of, text[2:-1])
        try:
            return repr(_computed(ast.parse(expression[: _LONGEST + 1].strip(), mode="eval").body))
        except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
            return text
    return _REFERENCE.sub(value_of, text)


def _computed(node: ast.expr) -> float:
    """Return the value of sums and products of numbers; nothing else of Python is carried out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        value = _OPERATORS[type(node.op)](_computed(node.left), _computed(node.right))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = -_computed(node.operand)
    else:
        raise ValueError("no sum or product")
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value
