"""The distributed store: a MongoDB replica set."""
