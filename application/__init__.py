"""The use cases: what people and schedules ask of Matinee. Standard library and the domain only."""
