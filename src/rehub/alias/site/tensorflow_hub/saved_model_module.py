"""Modules from SavedModels."""

from rehub.tf1.builder import create_module_spec_from_saved_model as create_module_spec_from_saved_model
