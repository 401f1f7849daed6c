"""Made-up runs for the tests of this room, and what the apps that they start share."""

from tests.app_start import one_search_for_components as one_search_for_components
from tests.fixtures_runs import fake_checkpoints as fake_checkpoints
