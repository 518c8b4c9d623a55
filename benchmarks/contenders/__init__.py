"""The processes that are measured. Each runs in the environment of its own library, see `benchmarks.measuring`."""
