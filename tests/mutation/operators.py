"""The faults, which are small changes of the syntax tree of a module.

All faults of a module are compiled into it together. The module's global `ACTIVE` has the number of the fault
that is active, so that a process that has loaded the module and collected its tests can try each fault in a
fork.
"""

import ast
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

ACTIVE = "_active_mutant_"
"""The name of the global with the number of the active fault; 0 stands for none."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
TYPING = frozenset({"TypeVar", "NewType", "Literal", "cast", "Annotated", "TYPE_CHECKING"})
"""Calls, subscripts and conditions that are for the type checker."""

CONDITIONS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.NamedExpr)
"""The expressions that are negated when they are conditions. Comparisons and the like have other faults."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: its location, and the code before and after the change."""

    number: int
    module: str
    where: str
    before: str
    after: str
    lines: range
    at_import: bool
    binds: str = ""
    """The name that the statement binds, if the fault is active when the module is imported."""

    @property
    def name(self) -> tuple[str, str, str, str]:
        """The identity of a fault, which does not depend on line numbers."""
        return self.module, self.where, self.before, self.after

    def __str__(self) -> str:
        location = f"{self.module}:{self.lines.start} {self.where}".rstrip()
        return f"{location}: {self.before}  ->  {self.after}"


class Instrument(ast.NodeTransformer):
    """Adds all faults to a syntax tree."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.mutants: list[Mutant] = []
        self._path: list[str] = []
        self._depth = 0
        self._lines = range(0)
        self._binds = ""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.stmt):
            before, self._lines = self._lines, range(node.lineno, (node.end_lineno or node.lineno) + 1)
            # Of a compound statement, only the lines of its head.
            if isinstance(node, ast.If | ast.While | ast.For | ast.With | ast.Try):
                self._lines = range(node.lineno, max(node.lineno + 1, node.body[0].lineno))
            elif isinstance(node, ast.Match):
                self._lines = range(node.lineno, node.lineno + 1)
            if not self._depth:
                self._binds = _bound(node)
            try:
                return cast("ast.AST", super().visit(node))
            finally:
                self._lines = before
        return cast("ast.AST", super().visit(node))

    # Nodes that contain no executed code, or code for the type checker.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.args.defaults = [self._expr(default) for default in node.args.defaults]
        node.args.kw_defaults = [default and self._expr(default) for default in node.args.kw_defaults]
        self._path.append(node.name)
        self._depth += 1
        node.body = self._block(node.body)
        self._depth -= 1
        self._path.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._path.append(node.name)
        node.body = self._block(node.body)
        self._path.pop()
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = node.value and self._expr(node.value)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        node.guard = node.guard and self._expr(node.guard)
        node.body = self._block(node.body)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        original = deepcopy(node)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                value.value = self._expr(value.value)
        return self._with_alternatives(node, original, [ast.Constant("")])

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if _is_for_types(node.value) else self.generic_visit(node)

    # Expressions.

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        match node.value:
            case bool(value):
                other: str | float = not value
            case int(value) | float(value):
                other = value + 1
            case str(value):
                other = "" if value else "XX"
            case _:
                return node
        return self._with_alternatives(node, deepcopy(node), [ast.Constant(other)])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        original, others = deepcopy(node), []
        for index, operator in enumerate(node.ops):
            other = deepcopy(original)
            other.ops[index] = COMPARISONS[type(operator)]()
            others.append(other)
        return self._with_alternatives(self.generic_visit(node), original, others)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        original, other = deepcopy(node), deepcopy(node)
        other.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return self._with_alternatives(self.generic_visit(node), original, [other])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        original = deepcopy(node)
        return self._with_alternatives(self.generic_visit(node), original, [deepcopy(original.operand)])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not self._depth and isinstance(node.op, ast.BitOr):  # a union of types
            return node
        original, other = deepcopy(node), deepcopy(node)
        other.op = ARITHMETIC[type(node.op)]()
        return self._with_alternatives(self.generic_visit(node), original, [other])

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.test = self._condition(node.test)
        node.body, node.orelse = self._expr(node.body), self._expr(node.orelse)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.iter = self._expr(node.iter)
        node.ifs = [self._condition(condition) for condition in node.ifs]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _is_for_types(node.func):
            return node
        original = deepcopy(node)
        # An argument `strict` is an assertion, which no fault changes.
        kept = [keyword for keyword in node.keywords if keyword.arg == "strict"]
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
        call = cast("ast.Call", self.generic_visit(node))
        call.keywords += kept
        faulty: ast.expr = call
        function = ast.unparse(original.func)
        for index, keyword in enumerate(original.keywords):
            if keyword.arg and keyword.arg != "strict":
                other = deepcopy(original)
                del other.keywords[index]
                active = self._is_active(f"{function}(…, {ast.unparse(keyword)})", f"{function}(…)")
                faulty = ast.IfExp(active, other, faulty)
        return faulty

    # Statements.

    def visit_If(self, node: ast.If) -> ast.AST:
        if _is_for_types(node.test):
            return node
        node.test = self._condition(node.test)
        node.body, node.orelse = self._block(node.body), self._block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        node.test = self._condition(node.test)
        node.body, node.orelse = self._block(node.body), self._block(node.orelse)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant):
            return node
        original = deepcopy(node)
        visited = self.generic_visit(node)
        if self._depth and isinstance(original.value, ast.Call):
            return self._with_alternative_statement(visited, original, ast.Pass())
        return visited

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if _bound(node) == "__all__":  # for the type checker
            return node
        original = deepcopy(node)
        visited = self.generic_visit(node)
        if self._depth and isinstance(original.targets[0], ast.Attribute | ast.Subscript):
            return self._with_alternative_statement(visited, original, ast.Pass())
        return visited

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        original, other = deepcopy(node), deepcopy(node)
        other.op = ARITHMETIC[type(node.op)]()
        return self._with_alternative_statement(self.generic_visit(node), original, other)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        original = deepcopy(node)
        return self._with_alternative_statement(self.generic_visit(node), original, ast.Pass())

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return self._with_alternative_statement(node, deepcopy(node), ast.Continue())

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return self._with_alternative_statement(node, deepcopy(node), ast.Break())

    def _block(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        return [cast("ast.stmt", self.visit(statement)) for statement in statements]

    def _expr(self, node: ast.expr) -> ast.expr:
        return cast("ast.expr", self.visit(node))

    def _condition(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, CONDITIONS):
            return self._expr(node)
        original = deepcopy(node)
        negated = ast.UnaryOp(ast.Not(), deepcopy(node))
        return cast("ast.expr", self._with_alternatives(self._expr(node), original, [negated]))

    def _with_alternatives(self, node: ast.AST, original: ast.AST, others: Sequence[ast.expr]) -> ast.AST:
        for other in others:
            node = ast.IfExp(
                self._is_active(ast.unparse(original), ast.unparse(other)), other, cast("ast.expr", node)
            )
        return node

    def _with_alternative_statement(self, node: ast.AST, original: ast.AST, other: ast.stmt) -> ast.AST:
        return ast.If(
            self._is_active(ast.unparse(original), ast.unparse(other)), [other], [cast("ast.stmt", node)]
        )

    def _is_active(self, before: str, after: str) -> ast.expr:
        """Add a fault; return the expression that is true while it is active."""
        number = len(self.mutants) + 1
        where = ".".join(self._path)
        self.mutants.append(
            Mutant(
                number=number,
                module=self.module,
                where=where,
                before=before,
                after=after,
                lines=self._lines,
                at_import=not self._depth,
                binds="" if self._depth else self._binds,
            )
        )
        return ast.Compare(ast.Name(ACTIVE, ast.Load()), [ast.Eq()], [ast.Constant(number)])


def instrumented(module: str, source: str) -> tuple[ast.Module, list[Mutant]]:
    """The syntax tree of a module with all its faults, and the faults."""
    instrument = Instrument(module)
    tree = cast("ast.Module", instrument.visit(ast.parse(source)))
    return ast.fix_missing_locations(tree), instrument.mutants


def _bound(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.FunctionDef(name=name):
            return name
        case _:
            return ""


def _is_for_types(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in TYPING
