"""The adapters: one folder for each technology, with implementations of the ports in `domain.ports`."""
