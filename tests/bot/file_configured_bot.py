"""The bot's telemetry as `telegram_bot.py` sets it up, and one event on it; in a process of its own."""

import os
import sys

from opentelemetry import trace

from otel_umami_exporter import SettingsError, record, use_visitor
from termin_bot.events import UserRegistered
from termin_bot.telemetry import configure

if __name__ == "__main__":
    try:
        telemetry = configure(
            analytics=os.environ.get("ANALYTICS_ENABLED") != "false",
            endpoint=os.environ.get("UMAMI_ENDPOINT"),
            website_id=os.environ.get("UMAMI_WEBSITE_ID"),
        )
    except SettingsError as error:
        sys.exit(str(error))
    with trace.get_tracer("termin_bot").start_as_current_span("command /start"), use_visitor("v-1"):
        record(UserRegistered(username="set"))
    telemetry.shutdown()
