"""Finding dashboards by their name on a command line."""

import sys
from importlib import import_module
from typing import Final

from otel_umami_exporter.dashboards.declare import Dashboards
from otel_umami_exporter.errors import SettingsError

DEFAULT_NAME: Final = "DASHBOARDS"


def load_dashboards(where: str) -> Dashboards:
    """
    Return the dashboards that `module:NAME` names; `module` alone means `module:DASHBOARDS`.

    Raises:
        SettingsError: there are none.
        TaxonomyError: they break a rule.
    """
    module, _, name = where.partition(":")
    sys.path.insert(0, "")  # as `python -m` does: the module is often in the folder where the command is run
    try:
        found = getattr(import_module(module), name or DEFAULT_NAME)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"dashboards {where}: they cannot be imported: {error}") from error
    finally:
        sys.path.remove("")
    if not isinstance(found, Dashboards):
        raise SettingsError(f"dashboards {where}: this is no Dashboards")
    return found
