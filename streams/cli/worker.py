"""`sluice worker`: one role in a process of its own."""

from typing import ClassVar

import typer

from streams.cli.lazy import Entry, LazyGroup


class _Roles(LazyGroup):
    entries: ClassVar = (
        Entry("router", "streams.cli.worker_router", "Read tasks, decide, call models, publish results."),
        Entry("tables", "streams.cli.worker_tables", "Fold calls into tables; publish snapshots."),
    )


app = typer.Typer(cls=_Roles, no_args_is_help=True, help="Run one role: a router, or the tables.")


@app.callback()
def _worker() -> None:
    pass
