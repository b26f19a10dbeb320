"""The command line, killed with SIGKILL in a step, at its end at the latest: killed_run.py STEP SECONDS …"""

import os
import signal
import sys
import threading

from rapport import steps
from rapport.cli import app
from rapport.ledger import StepRecord

step, seconds, arguments = sys.argv[1], float(sys.argv[2]), sys.argv[3:]


def kill_in_the_middle(dag: str, name: str, record: StepRecord | None) -> None:
    if name == step and record is None:
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    elif name == step:  # over already, faster than it was timed: no later step is meant
        os.kill(os.getpid(), signal.SIGKILL)


steps.watchers.append(kill_in_the_middle)
app(arguments)
