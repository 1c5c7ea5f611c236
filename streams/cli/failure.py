"""An error that ended a command → one sentence with its cure, and the exit code.

1 is failed, 2 is bad usage or bad configuration. Commands that know more say it themselves, before.
"""

FAILED = 1
BAD_USAGE = 2


def sentence_of(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from streams.bus.connection import no_broker
    from streams.bus.topology import TopicsNotReadyError
    from streams.config.problems import ConfigError
    from streams.config.secrets import MissingSecretError
    from streams.registry import UnpricedModelError

    match error:
        case ConfigError():
            return str(error), BAD_USAGE
        case MissingSecretError() | UnpricedModelError() | TopicsNotReadyError():
            return _sentence(error), FAILED if isinstance(error, TopicsNotReadyError) else BAD_USAGE
        case KafkaConnectionError():
            return no_broker(None), FAILED
        case KafkaError():
            return (
                f"the broker refused: {_sentence(error)}; check kafka.security and the broker's log",
                FAILED,
            )
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}", FAILED
        case _:
            what = f"unexpected {type(error).__name__}: {_sentence(error)}"
            return f"{what}; SLUICE_DEBUG=1 shows where it comes from", FAILED


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
