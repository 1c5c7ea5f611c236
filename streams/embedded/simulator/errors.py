"""What can be wrong with what a user hands to the simulated providers.

    SimulatorError             anything below
    ├── ModelsFileError        a file of models cannot be read or says something that is not known
    ├── OutcomesError          an outcome table cannot be read, or pyarrow is not installed
    └── IncidentError          an incident that cannot be: unknown model, kind or value

What a simulated provider answers to its callers is no exception: see `engine.Rejection`.
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Something the user gave cannot be used; the message says what and how to cure it."""


class ModelsFileError(SimulatorError):
    """A file of models cannot be read or says something that is not known."""


class OutcomesError(SimulatorError):
    """An outcome table cannot be read, or pyarrow is not installed."""


class IncidentError(SimulatorError):
    """An incident that cannot be: unknown model, kind or value."""
