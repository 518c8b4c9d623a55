"""The main job on real data: what `rehub demo` runs."""
