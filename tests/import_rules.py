"""A type of contract for import-linter: packages may import only what is listed.

The contracts of import-linter forbid the imports that are listed, and so would allow those of new packages.
"""

import sys
from typing import Any, ClassVar

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

STDLIB = "standard library"
"""Stands for all modules of the standard library in `allowed`."""


class OnlyContract(Contract):
    """The modules of `importers` may import only from the packages in `allowed`."""

    type_name = "only"

    importers: Any = fields.ListField(subfield=fields.StringField())
    allowed: Any = fields.ListField(subfield=fields.StringField())

    violations: ClassVar[str] = "violations"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        forbidden = [
            (importer, imported)
            for package in self.importers
            for importer in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._is_allowed(imported)
        ]
        return ContractCheck(kept=not forbidden, metadata={self.violations: forbidden})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata[self.violations]:
            output.print_error(f"{importer} may not import {imported}: only {', '.join(self.allowed)}")
        output.new_line()

    def _is_allowed(self, module: str) -> bool:
        package = module.partition(".")[0]
        return package in self.allowed or (STDLIB in self.allowed and package in sys.stdlib_module_names)
