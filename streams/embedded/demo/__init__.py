"""The demo: everything in one go on this machine, with real tasks, and a summary of what it cost.

    plan            what is asked for, and the records that are submitted
    configuration   the sluice.yaml it runs with: the packaged one, or the user's
    stage, children broker, simulated providers, router and tables: started, watched, stopped
    bus             submitting and following
    ledger, summary what became of every task, from the topics alone
    screen, poster  what one sees while it runs and at its end
    run             the order of it all

It is a user of the product like any other: the roles run as processes, and everything it tells is read from topics.
"""

from streams.embedded.demo.configuration import packaged_text
from streams.embedded.demo.errors import DemoError
from streams.embedded.demo.plan import Plan, packaged_entries, user_entries
from streams.embedded.demo.run import run_demo
from streams.embedded.demo.screen import screen_for
from streams.embedded.demo.summary import Summary

__all__ = [
    "DemoError",
    "Plan",
    "Summary",
    "packaged_entries",
    "packaged_text",
    "run_demo",
    "screen_for",
    "user_entries",
]
