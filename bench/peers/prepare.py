"""Makes the tables of a peer that has some: `python -m bench.peers.prepare NAME`."""

import asyncio
import sys
from importlib import import_module

if __name__ == "__main__":
    module = import_module(f"bench.peers.{sys.argv[1]}_peer")
    if install := getattr(module, "install", None):
        asyncio.run(install())
