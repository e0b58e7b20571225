"""How many examples property tests try: few on a desk, 10,000 in CI (HYPOTHESIS_PROFILE=ci)."""

import os

from hypothesis import settings

settings.register_profile("desk", max_examples=100, deadline=None)
settings.register_profile("ci", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "desk"))
