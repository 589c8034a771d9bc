"""Profiles of Hypothesis: `ci` unless the command line says `--hypothesis-profile=long`."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "mutation",
    settings.get_profile("ci"),
    database=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("ci")
