"""The adapters: thin, one folder a technology, each keeping a promise that `domain.ports` states."""
