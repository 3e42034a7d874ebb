"""Drives the client of fusion-datasource-cloner: Basic, and a token or key as Bearer."""

import sys

from fusion_ds_clone.cli import FusionClient, FusionError

from steps import equal, raises, step

url = sys.argv[1]
admin = FusionClient(url, username="admin", password="Fusion4dmin")
made = {}


@step("fusion-datasource-cloner, a role is made, found by a part of its name, changed")
def _():
    role = admin.post("/roles", {"name": "cloners", "desc": "They clone", "permissions": [{"methods": ["GET"], "path": "/users"}]})
    made["role"] = role["id"]
    equal([r["id"] for r in admin.get("/roles", params={"name": "lone"})], [role["id"]])
    changed = admin.put(f"/roles/{role['id']}", {**role, "desc": "They clone and list"})
    equal(changed["desc"], "They clone and list")
    equal(admin.get(f"/roles/{role['id']}")["permissions"], [{"methods": ["GET"], "path": "/users"}])


@step("fusion-datasource-cloner, a user is made, found, changed")
def _():
    user = admin.post("/users", {"username": "cloner", "password": "password123", "realmName": "native", "roleNames": ["cloners"], "permissions": []})
    made["user"] = user["id"]
    assert "password" not in user
    equal([u["id"] for u in admin.get("/users", params={"username": "cloner"})], [user["id"]])
    changed = admin.put(f"/users/{user['id']}", {"roleNames": ["cloners", "search"]})
    equal(changed["roleNames"], ["cloners", "search"])


@step("fusion-datasource-cloner, the user may what the role grants")
def _():
    cloner = FusionClient(url, username="cloner", password="password123")
    assert "cloner" in [user["username"] for user in cloner.get("/users")]
    with raises(FusionError, "failed with 403", "forbidden"):
        cloner.get("/roles")


@step("fusion-datasource-cloner, an access token does in place of a key")
def _():
    answer = admin.session.post(url + "/oauth2/token")
    equal(answer.status_code, 200)
    token = answer.json()
    equal(sorted(token), ["access_token", "expires_in", "token_type"])
    bearer = FusionClient(url, api_key=token["access_token"])
    equal(bearer.get("/session")["user"]["username"], "admin")


@step("fusion-datasource-cloner, realms are listed")
def _():
    realms = {realm["name"]: realm["realmType"] for realm in admin.get("/realm-configs")}
    equal(realms["native"], "native")


@step("fusion-datasource-cloner, errors are told apart")
def _():
    with raises(FusionError, "failed with 401"):
        FusionClient(url, username="admin", password="wrong").get("/users")
    with raises(FusionError, "failed with 404"):
        admin.get("/roles/00000000-0000-4000-8000-000000000000")
    with raises(FusionError, "failed with 409"):
        admin.post("/users", {"username": "cloner", "password": "password123"})
    with raises(FusionError, "failed with 409"):
        admin.post("/roles", {"name": "cloners"})


@step("fusion-datasource-cloner, the user and the role go")
def _():
    admin.delete(f"/users/{made['user']}")
    admin.delete(f"/roles/{made['role']}")
    equal(admin.get("/users", params={"username": "cloner"}), [])
    equal(admin.get("/roles", params={"name": "cloners"}), [])
