"""What a model that others can reuse has to be, rule by rule. ``every.py`` lists them all."""
