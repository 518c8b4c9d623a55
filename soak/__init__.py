"""Many processes that load from one cache folder while it is damaged and they are killed. ``make soak`` runs it."""
