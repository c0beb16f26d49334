"""Mutation testing of the core, for `make mutants`: planted faults that the suite has to notice."""
