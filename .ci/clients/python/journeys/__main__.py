"""Runs the journeys against the server at the address given: one line a step, and "ok" when one is over."""

import sys
import traceback
from contextlib import ExitStack

from . import applivery, fusion, milvus, saymon, usher

_, base = sys.argv
failed = False
for module in (fusion, applivery, saymon, milvus, usher):
    name = module.__name__.removeprefix("journeys.")
    try:
        with ExitStack() as clients:
            module.journey(base, clients, lambda did, name=name: print(f"      {name}: {did}"))
        print(f"ok    Python, {name}")
    except Exception:
        print(f"FAIL  Python, {name}: {traceback.format_exc()}")
        failed = True
sys.exit(failed)
