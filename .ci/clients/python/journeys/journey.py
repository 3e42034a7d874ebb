"""What the journeys have in common."""

from base64 import b64encode
from collections.abc import Callable

NAME = "journey_python"

# The user's first password and the one after the change, under every vendor's rule.
FIRST = "First-Passw0rd"
SECOND = "Second-Passw0rd"

Say = Callable[[str], None]


def basic(user: str, password: str) -> str:
    """Give what stands after `Basic` in the Authorization header."""
    return b64encode(f"{user}:{password}".encode()).decode()
