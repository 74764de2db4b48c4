"""One domain, trained and scored twice: embedded, and through the real client over the stand-in."""

from __future__ import annotations

from datetime import date

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_client")]

LAST_DAY = date(2026, 10, 27)
DOMAIN = "quality"
PROVENANCE = ["scored_at", "scoring_run_id", "training_run_id"]
