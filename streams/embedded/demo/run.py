"""The demo from its first line to its last: start, submit, let a model fail, wait, sum up.

It waits for conditions, never for an amount of time: until every record has its outcome, or until nothing has
happened for so long that nothing will.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

from streams.embedded.demo.bus import Follower, submit
from streams.embedded.demo.ledger import Ledger
from streams.embedded.demo.plan import PREFIX, words
from streams.embedded.demo.poster import Backstage
from streams.embedded.demo.screen import Progress
from streams.embedded.demo.stage import SPEED, Stage
from streams.embedded.demo.summary import summarise
from streams.registry import Registry
from streams.state.view import StateView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.embedded.demo.plan import Plan
    from streams.embedded.demo.screen import Screen
    from streams.embedded.demo.summary import Summary

OUTAGE_S: Final = 3.0
OUTAGE_AFTER: Final = 1 / 3
"""Share of the records that have their outcome when the outage begins."""

_POLL_S: Final = 0.05
_IDLE_S: Final = 20.0
"""Beyond the longest call: after this without any event nothing more is expected."""
_PRICING_S: Final = 5.0
"""How long the last calls are waited for when all results are there: they are written together."""


async def run_demo(plan: Plan, screen: Screen, show: Callable[[Summary, Backstage], None]) -> Summary:
    """Run a demo; everything it started is stopped when it returns.

    Args:
        plan: what to do.
        screen: where progress goes.
        show: is called once, with the summary, while everything still runs.

    Raises:
        DemoError: a part of it did not start, or ended by itself.
        EmbeddedBrokerError: no broker could be started.
        ConfigError: the user's configuration has mistakes.
        ProvisionError: the topics were refused.
        KafkaError: the user's Kafka cannot be reached.
    """
    began = time.monotonic()
    async with Stage(plan, screen.say) as stage:
        demo = _Demo(plan, stage, screen, began)
        with screen:
            summary = await stage.while_running(demo.play())
        if not summary.ok:
            stage.keep_logs()
        show(summary, demo.backstage(kept_logs=not summary.ok))
        if plan.keep:
            await stage.while_running(_for_ever())
    return summary


class _Demo:
    def __init__(self, plan: Plan, stage: Stage, screen: Screen, began: float) -> None:
        settings = stage.configuration.settings
        self._plan = plan
        self._stage = stage
        self._screen = screen
        self._began = began
        self._settings = settings
        self._registry = Registry.of(settings.models, settings.providers)
        self._ledger = Ledger(self._registry)
        self._tiers = {model.name: model.tier.value for model in self._registry.models}
        self._outage: str | None = None
        slowest_s = max((provider.timeout_s for provider in settings.providers.values()), default=0.0)
        self._idle_s = max(_IDLE_S, slowest_s + 10.0)

    async def play(self) -> Summary:
        kafka, options = self._settings.kafka, self._stage.options
        pace = self._plan.tasks_per_s
        self._screen.say(
            f"{words(self._plan.entries)}, {pace:.0f} a second"
            + ("" if self._plan.simulated else "; your models answer, and no outage is made")
        )
        async with Follower(kafka, options, self._ledger) as follower, StateView(kafka, os.environ) as view:
            aside = [
                asyncio.ensure_future(follower.run()),
                asyncio.ensure_future(self._keep_showing(view)),
            ]
            if self._plan.simulated:
                aside.append(asyncio.ensure_future(self._make_outage()))
            work = asyncio.ensure_future(self._work(pace))
            try:
                await _until_done(work, aside)
            finally:
                for task in (work, *aside):
                    task.cancel()
                await asyncio.gather(work, *aside, return_exceptions=True)
        duration_s = time.monotonic() - self._began
        return summarise(self._ledger, broker=self._stage.broker, duration_s=duration_s)

    async def _work(self, pace: float) -> None:
        kafka, options = self._settings.kafka, self._stage.options
        await submit(self._plan.entries, kafka, options, self._ledger, per_s=pace)
        await self._until_settled()

    async def _until_settled(self) -> None:
        events, since = -1, 0.0
        while not self._ledger.settled:
            now = time.monotonic()
            if self._ledger.events != events:
                events, since = self._ledger.events, now
            if now - since > (_PRICING_S if self._ledger.open == 0 else self._idle_s):
                return
            await asyncio.sleep(_POLL_S)

    async def _make_outage(self) -> None:
        """When a third is done, let the model fail that is called most."""
        wanted = max(1, int(len(self._plan.entries) * OUTAGE_AFTER))
        while self._ledger.ended < wanted:  # noqa: ASYNC110 - it is a pure fold and notifies nobody
            await asyncio.sleep(_POLL_S)
        models = self._ledger.models
        model = max(models, key=lambda name: models[name].calls)
        await self._stage.outage(model, duration_s=OUTAGE_S)
        self._outage = f"{model} answered 503 for {OUTAGE_S:.0f} s, on request"
        self._screen.announce(f"{model} answers 503 for {OUTAGE_S:.0f} s from now on")

    async def _keep_showing(self, view: StateView) -> None:
        while True:
            self._screen.show(self._progress(view))
            await asyncio.sleep(self._screen.every_s)

    def _progress(self, view: StateView) -> Progress:
        now = time.time()
        return Progress(
            self._ledger,
            total=len(self._plan.entries),
            elapsed_s=time.monotonic() - self._began,
            tiers=self._tiers,
            breakers={name: view.model_health(name, now).breaker.value for name in view.partials.models()},
        )

    # --- the end -------------------------------------------------------------------------------------

    def backstage(self, *, kept_logs: bool) -> Backstage:
        commands = self._commands()
        if kept_logs:
            commands.append((f"less {self._stage.folder}/*.log", "what the processes wrote"))
        simulated = f"providers simulated, {1 / SPEED:g} times as fast as life"
        return Backstage(
            ledger=self._ledger,
            tiers=self._tiers,
            broker=self._stage.broker_described,
            providers=simulated if self._plan.simulated else f"the models of {self._plan.config}",
            outage=self._outage,
            commands=commands,
        )

    def _commands(self) -> list[tuple[str, str]]:
        """Commands that work when the summary is read: the topics are there only if the broker still is."""
        if not self._plan.keep and self._plan.brokers is None:
            return [
                ("sluice demo --keep", "leave it running, to ask for reasons and answers"),
                ("sluice demo --print-config", "the models and the policy it ran with"),
                ("sluice demo --tasks FILE", "your own tasks; see sluice demo --help"),
            ]
        kafka = self._settings.kafka
        where = f"--brokers {kafka.brokers}"
        where += f" --prefix {kafka.prefix}" if kafka.prefix != PREFIX else ""
        secured = kafka.security.protocol != "PLAINTEXT"
        where += f" --config {self._plan.config}" if secured else ""
        commands = []
        if task_id := self._ledger.first_failover or self._ledger.first_completed:
            commands.append((f"sluice explain {task_id} {where}", "why this model"))
        commands.append((f"sluice results --limit 3 {where}", "answers"))
        commands.append((f"sluice state {where}", "spend, breakers"))
        if self._ledger.dead_lettered:
            commands.append((f"sluice dlq list {where}", "dead letters"))
        return commands


async def _until_done(work: asyncio.Future[None], aside: Sequence[asyncio.Future[None]]) -> None:
    """Wait for the work; what runs aside may end, but not fail."""
    pending = {work, *aside}
    while not work.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    work.result()


async def _for_ever() -> None:
    await asyncio.Event().wait()
