"""Code written for tensorflow_hub: what of it works with rehub as it is, what is rewritten, what is left to people.

The modules that read Python need libcst (``rehub[migrate]``); `rehub.migrate.migration` looks for it, and imports them.
"""
