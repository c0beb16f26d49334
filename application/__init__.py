"""The use cases. They import the standard library and the domain only."""
