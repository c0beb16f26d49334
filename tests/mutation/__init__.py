"""Mutation testing of the core (`make mutants`): faults are planted, and tests have to detect them."""
