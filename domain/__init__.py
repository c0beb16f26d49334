"""Matinee's core: entities, rules, ports and errors. Standard library only; no I/O, no clock, no chance."""
