"""The resources of the API, a module each: its wire types, its endpoints, its handlers, its routes."""
