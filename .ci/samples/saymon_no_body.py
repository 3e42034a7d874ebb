"""Asks for a change as the page's Python sample does: it never sends its body."""

import sys

import requests

base, user, login, current = sys.argv[1:]
response = requests.request(
    "PUT", f"{base}/node/api/users/{user}/password", auth=(login, current), timeout=10
)
print(response.text)
