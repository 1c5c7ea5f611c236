"""Configurations of other routers → sluice.yaml, with a report of what became of every key."""

from streams.config.importing.report import Entry, Export, Outcome, Report
from streams.config.importing.run import Imported, import_data, import_file
from streams.config.importing.source import ImportFailedError, Kind

__all__ = [
    "Entry",
    "Export",
    "ImportFailedError",
    "Imported",
    "Kind",
    "Outcome",
    "Report",
    "import_data",
    "import_file",
]
