"""Runs a program of `.local/peers/bin` with this interpreter: `-m bench.peers.program NAME …`."""

import runpy
import sys

from bench.rows import PEERS

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.argv[0] = str(PEERS / "bin" / sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
