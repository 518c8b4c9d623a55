"""Which of several models serves a task best: one frozen trunk and one head for each, on the same examples."""
