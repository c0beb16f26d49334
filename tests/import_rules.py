"""A kind of contract for import-linter: packages import what is named, and nothing else.

Its own kinds forbid what is listed. A package that nobody has thought of would pass them.
"""

import sys
from typing import Any, ClassVar

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

STDLIB = "standard library"
"""Stands in `allowed` for every module that comes with Python."""


class OnlyContract(Contract):
    """The modules of `importers` import from the `allowed` packages only, which may name themselves."""

    type_name = "only"

    importers: Any = fields.ListField(subfield=fields.StringField())
    allowed: Any = fields.ListField(subfield=fields.StringField())

    unlike: ClassVar[str] = "unlike"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = [
            (importer, imported)
            for package in self.importers
            for importer in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._is_allowed(imported)
        ]
        return ContractCheck(kept=not found, metadata={self.unlike: found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata[self.unlike]:
            output.print_error(f"{importer} may not import {imported}: only {', '.join(self.allowed)}")
        output.new_line()

    def _is_allowed(self, module: str) -> bool:
        package = module.partition(".")[0]
        return package in self.allowed or (STDLIB in self.allowed and package in sys.stdlib_module_names)
