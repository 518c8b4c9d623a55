"""Exporting modules from Estimators."""

from rehub.tf1.exporters import LatestModuleExporter as LatestModuleExporter
from rehub.tf1.exporters import register_module_for_export as register_module_for_export
