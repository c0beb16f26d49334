"""The processes of the service: the supervisor, the API, the worker and the scheduler."""
