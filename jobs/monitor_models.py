"""Join outcomes, look for drift, ask for trainings, raise alerts and send them.

Entry point of a ``spark_python_task``. It guards no ``__name__`` and needs no ``__file__``: serverless compute runs
the text of this file with ``exec``, where neither need be what a script expects.
"""

import sys

from framework.ops.jobs import run_stage

run_stage("monitor", sys.argv[1:])
