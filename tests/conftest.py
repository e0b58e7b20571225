"""
What decides whether a test passes: the code. Neither the environment of whoever runs it, nor chance, nor the machine.

Property tests try the same examples every time: few on a desk, 10,000 in CI (HYPOTHESIS_PROFILE=ci). Whoever looks for
what nobody has thought of takes HYPOTHESIS_PROFILE=search: as many as in CI, other ones every time.
"""

import os

from hypothesis import HealthCheck, settings

# Proxies would be asked for loopback, too; the others are settings of the program under test.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_SETTINGS = ("OTEL_", "UMAMI_", "ANALYTICS_", "TELEGRAM_", "MUNICH_")
_A_REAL_UMAMI = ("UMAMI_ENDPOINT", "UMAMI_USERNAME", "UMAMI_PASSWORD")
for _name in list(os.environ):
    if _name.upper() in _PROXIES or (_name.startswith(_SETTINGS) and _name not in _A_REAL_UMAMI):
        del os.environ[_name]

_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
settings.register_profile("desk", _patient, max_examples=100, derandomize=True)
settings.register_profile("ci", _patient, max_examples=10_000, derandomize=True)
settings.register_profile("search", _patient, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "desk"))
