"""Commands that are imported when they run, so that `sluice --help` answers at once.

A group knows the name, the module and one sentence of each command. The sentence is what its help shows; the
module is imported when the command is invoked, or asked for its own help. What commands do is not known here.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Never

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True, slots=True)
class Entry:
    """One command or group of commands."""

    name: str
    module: str
    """Full name. It has a `typer.Typer` called `app`, or a function called like the command."""
    help: str
    """One sentence for the group's help."""
    panel: str | None = None
    """Heading under which the group's help shows it."""


class LazyGroup(TyperGroup):
    """A group of commands that are imported on use. A subclass says which."""

    entries: ClassVar[tuple[Entry, ...]] = ()

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**attributes)
        for entry in self.entries:
            self.add_command(
                TyperCommand(name=entry.name, help=entry.help, rich_help_panel=entry.panel), entry.name
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer has click under two names
        """The command that the arguments begin with, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        for entry in self.entries:
            if entry.name == name:
                return name, _imported(entry), rest
        return name, command, rest


def _imported(entry: Entry) -> Any:  # noqa: ANN401 - a click command, whichever click typer has
    try:
        module = import_module(entry.module)
    except ModuleNotFoundError as error:
        if error.name != entry.module:
            raise
        _not_there(entry)
    app = getattr(module, "app", None)
    if isinstance(app, typer.Typer):
        return get_group(app)
    function = getattr(module, entry.name.replace("-", "_"), None)
    if function is None:
        _not_there(entry)
    single = typer.Typer(add_completion=False)
    single.command(entry.name)(function)
    return get_command(single)


def _not_there(entry: Entry) -> Never:
    typer.echo(f"`{entry.name}` is not part of this installation; install a version that has it", err=True)
    raise typer.Exit(1)
