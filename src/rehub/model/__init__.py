"""What a model folder is, told from its files alone."""
