"""A client of Fusion, as one writes it. It is what test_fusion.py tests."""

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class Fusion:
    def __init__(self, url, user=None, password=None, token=None):
        self.url = url
        self.session = requests.Session()
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"
        else:
            self.session.auth = (user, password)
        # Who is turned away with a 503 has done nothing yet, and comes again.
        retry = Retry(total=3, backoff_factor=0.01, status_forcelist=[503], allowed_methods=None)
        self.session.mount("http://", HTTPAdapter(max_retries=retry))

    def create_user(self, name, password, roles=()):
        user = {"username": name, "password": password, "roleNames": list(roles)}
        return self._call("POST", "/api/users", user)

    def change_password(self, id, old, new):
        change = {"currentPassword": old, "password": new, "passwordConfirm": new}
        return self._call("PATCH", f"/api/users/{id}", change)

    def users(self):
        return [user["username"] for user in self._call("GET", "/api/users")]

    def token(self):
        return self._call("POST", "/oauth2/token")["access_token"]

    def _call(self, method, path, body=None):
        answer = self.session.request(method, self.url + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()
