"""Does what clients of guarded installations do: a session, its cookie, and the header
against forgery, which an installation without that guard does not look at."""

import sys

import httpx

from steps import equal, step

api = sys.argv[1] + "/node/api"


@step("SAYMON client, a session, kept in a jar, with a header against forgery")
def _():
    with httpx.Client(base_url=api, follow_redirects=True) as client:
        answer = client.post("/users/session", json={"login": "admin", "password": "saymon-admin"}, headers={"Accept": "application/json"})
        equal(answer.status_code, 200)
        equal(answer.json(), client.cookies["sid"])
        client.cookies.set("csrf", "a-token")
        user = client.get("/users/current", headers={"x-csrf-token": "a-token"}).raise_for_status().json()
        equal(user["id"], "5e21b752308c3c66d64e072c")
        assert "manage-configuration" in user["permissions"]
        ended = client.delete("/users/session", headers={"x-csrf-token": "a-token"})
        equal((ended.status_code, ended.text), (200, ""))
        equal(client.get("/users/current").status_code, 401)
