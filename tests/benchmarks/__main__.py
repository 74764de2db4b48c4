"""All benchmarks: ``make bench``. The run's options pass through."""

from __future__ import annotations

import sys

from tests.benchmarks import bench_run, bench_store

bench_run.main()
sys.argv = sys.argv[:1]
bench_store.main()
