"""How bytes are fetched from a URL."""
