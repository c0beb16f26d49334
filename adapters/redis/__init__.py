"""Redis, or Valkey: what is kept in memory, shared by all processes, and may be lost."""
