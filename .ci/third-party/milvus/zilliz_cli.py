"""Runs the commands of zilliz-cli for users and roles of a Milvus cluster."""

import json
import os
import subprocess
import sys
import tempfile

from steps import equal, step

uri = sys.argv[1]
config = tempfile.TemporaryDirectory()
zilliz = os.path.join(os.path.dirname(sys.executable), "zilliz")


def run(*arguments, key="root:Milvus"):
    """Gives the answer that a command prints, or the error in it."""
    environment = {**os.environ, "ZILLIZ_CONFIG_DIR": config.name, "ZILLIZ_API_KEY": key}
    done = subprocess.run([zilliz, *arguments], env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        return done.stdout
    raise RuntimeError(done.stderr or done.stdout)


def call(*arguments, key="root:Milvus"):
    return json.loads(run("--output", "json", *arguments, key=key))


def error(*arguments, key="root:Milvus"):
    try:
        call(*arguments, key=key)
    except RuntimeError as e:
        return json.loads(str(e))["error"]
    raise AssertionError("no error")


@step("zilliz-cli, it is given the cluster's address")
def _():
    assert uri in run("context", "set", "--cluster-id", "usher", "--endpoint", uri, "--database", "default")


@step("zilliz-cli, a user and a role are made and joined")
def _():
    equal(call("user", "create", "--user", "zilliz", "--password", "P@ssw0rd1"), {})
    equal(call("role", "create", "--role", "zilliz_role"), {})
    equal(call("user", "grant-role", "--user", "zilliz", "--role", "zilliz_role"), {})
    equal(call("user", "describe", "--user", "zilliz"), ["zilliz_role"])
    assert "zilliz" in call("user", "list")
    assert "zilliz_role" in call("role", "list")


@step("zilliz-cli, a privilege is granted, described, revoked")
def _():
    grant = ["--role", "zilliz_role", "--object-type", "Collection", "--object-name", "*", "--privilege", "Search"]
    equal(call("role", "grant-privilege", *grant), {})
    equal([g["privilege"] for g in call("role", "describe", "--role", "zilliz_role")], ["Search"])
    equal(call("role", "revoke-privilege", *grant), {})
    equal(call("role", "describe", "--role", "zilliz_role"), [])


@step("zilliz-cli, the password changes, the old one fails at once")
def _():
    change = ["--user", "zilliz", "--password", "P@ssw0rd1", "--new-password", "P@ssw0rd2"]
    equal(call("user", "update-password", *change, key="zilliz:P@ssw0rd1"), {})
    equal(call("user", "describe", "--user", "zilliz", key="zilliz:P@ssw0rd2"), ["zilliz_role"])
    equal(error("user", "describe", "--user", "zilliz", key="zilliz:P@ssw0rd1")["code"], 1800)


@step("zilliz-cli, errors have the server's code and text")
def _():
    exists = error("user", "create", "--user", "zilliz", "--password", "P@ssw0rd1")
    equal(exists, {"code": 1100, "message": "user already exists: zilliz: invalid parameter"})
    equal(error("role", "list", key="zilliz:P@ssw0rd2")["code"], 65535)


@step("zilliz-cli, the user and the role go")
def _():
    run("user", "drop", "--user", "zilliz", "--yes")
    run("role", "drop", "--role", "zilliz_role", "--yes")
    assert "zilliz" not in call("user", "list")
    assert "zilliz_role" not in call("role", "list")
