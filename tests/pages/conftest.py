"""Made-up runs for the tests of this room."""

from tests.fixtures_runs import fake_checkpoints as fake_checkpoints
