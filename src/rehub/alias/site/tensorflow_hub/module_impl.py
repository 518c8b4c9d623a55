"""The inside of modules, which rehub builds in another way."""

from rehub.alias.retired import retired

__getattr__ = retired(__name__, "Use hub.Module, hub.load or hub.KerasLayer.", "ModuleImpl")
