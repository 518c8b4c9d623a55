"""What a module is, apart from any graph that it is used in."""

from rehub.tf1.module_spec import ModuleSpec as ModuleSpec
