"""Build feature tables.

Entry point of a ``spark_python_task``. It guards no ``__name__`` and needs no ``__file__``: serverless compute runs
the text of this file with ``exec``, where neither need be what a script expects.
"""

import sys

from framework.ops.jobs import run_stage

run_stage("features", sys.argv[1:])
