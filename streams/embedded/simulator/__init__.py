"""Simulated providers: a real HTTP server that behaves like OpenAI's API, with any number of models.

    models, defaults   what a model is like             outcomes, pricing    what real models answered
    engine             what each call gets, and when    answers, instances   what a model says
    buckets, memory    limits; keys and cached prompts  incidents, tally     what goes wrong; what was done
    openai_format, openai_front, admin, server          the wire

The engine knows no wire format. It owns no part of calling models: that is `streams.call`.
"""

from streams.embedded.simulator.defaults import default_models
from streams.embedded.simulator.errors import IncidentError, ModelsFileError, OutcomesError, SimulatorError
from streams.embedded.simulator.incidents import Incident
from streams.embedded.simulator.models import Prices, SimulatedModel, as_settings, load_models
from streams.embedded.simulator.outcomes import Outcomes
from streams.embedded.simulator.server import Simulator

__all__ = [
    "Incident",
    "IncidentError",
    "ModelsFileError",
    "Outcomes",
    "OutcomesError",
    "Prices",
    "SimulatedModel",
    "Simulator",
    "SimulatorError",
    "as_settings",
    "default_models",
    "load_models",
]
