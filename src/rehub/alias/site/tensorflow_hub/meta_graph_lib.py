"""Changing graphs, which rehub does in another way."""

from rehub.alias.retired import retired

__getattr__ = retired(
    __name__,
    "Convert models with rehub.convert.",
    "filter_collections",
    "mark_backward",
    "prefix_shared_name_attributes",
    "prepend_name_scope",
    "prune_feed_map",
    "prune_unused_nodes",
)
