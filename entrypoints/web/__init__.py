"""The pages for people: HTML over the same use cases as the API, with cookies in the place of tokens."""
