"""Making models and modules that others can use."""
