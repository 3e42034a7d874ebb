"""Runs named steps one after the other and says how each went."""

import atexit
import os

_failed = False


def step(name):
    """Decorates a function that checks something by assert, and runs it at once."""

    def run(check):
        global _failed
        try:
            check()
            print(f"ok    {name}", flush=True)
        except Exception as e:
            _failed = True
            print(f"FAIL  {name}: {type(e).__name__}: {e}", flush=True)

    return run


def equal(got, wanted):
    assert got == wanted, f"wanted {wanted!r}, got {got!r}"


def raises(kind, *parts):
    """Expects an error of a kind whose text has the parts."""

    class Expectation:
        def __enter__(self):
            return self

        def __exit__(self, _, error, __):
            assert error is not None, f"no error, wanted {parts}"
            if not isinstance(error, kind):
                return False
            for part in parts:
                assert part in str(error), f"wanted {part!r} in {error}"
            return True

    return Expectation()


@atexit.register
def _end():
    if _failed:
        os._exit(1)
