"""Values with expressions in them: found, checked, compiled once, evaluated many times.

A value is resolved by structure. A mapping with exactly one key that names an operator is an expression; any other
mapping and every list is resolved element by element; everything else is itself. ``{"literal": V}`` is V untouched.

``var`` is resolved here. Every other operator is json-logic-path's, with these differences, which are the public
JsonLogic meaning:

- ``if``, ``?:``, ``and`` and ``or`` evaluate only what they need;
- ``map``, ``filter`` and ``reduce`` see falsy items as they are;
- in ``==`` and ``!=`` null equals nothing but null;
- ``cat`` writes null as nothing and booleans as JSON has them;
- ``%`` takes numbers only;
- ``log`` logs nothing.

json-logic-path (and JSONPath below it) is imported in `library` and nowhere else, and only when a definition asks for
more than ``var`` and ``literal``.
"""

from runfox.expressions.compiled import Compiled
from runfox.expressions.context import Context, DataContext, descend
from runfox.expressions.inspection import Fault, Findings, Paths, Reference, inspect
from runfox.expressions.syntax import OPERATORS, is_expression

__all__ = [
    "OPERATORS",
    "Compiled",
    "Context",
    "DataContext",
    "Fault",
    "Findings",
    "Paths",
    "Reference",
    "descend",
    "inspect",
    "is_expression",
]
