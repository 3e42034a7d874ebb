"""Drives pyxvector, a client of servers that speak Milvus' REST API."""

import sys

from pyxvector import XvectorApiError, XvectorClient

from steps import equal, raises, step

uri = sys.argv[1]
root = XvectorClient(uri, "root:Milvus")


@step("pyxvector, a user and a role are made and joined")
def _():
    equal(root.create_user("xvector", "P@ssw0rd1"), {})
    equal(root.create_role("xvector_role"), {})
    equal(root.grant_role("xvector", "xvector_role"), {})
    equal(root.describe_user("xvector"), ["xvector_role"])
    assert "xvector" in root.list_users()
    assert "xvector_role" in root.list_roles()


@step("pyxvector, a privilege is granted and used")
def _():
    user = XvectorClient(uri, "xvector:P@ssw0rd1")
    with raises(XvectorApiError, "[65535]", "permission deny to xvector"):
        user.list_roles()
    equal(root.grant_privilege("xvector_role", "Global", "*", "SelectOwnership"), {})
    assert "xvector_role" in user.list_roles()
    equal([grant["privilege"] for grant in root.describe_role("xvector_role")], ["SelectOwnership"])
    equal(root.revoke_privilege("xvector_role", "Global", "*", "SelectOwnership"), {})
    with raises(XvectorApiError, "[65535]"):
        user.list_roles()


@step("pyxvector, the password changes, the old one fails at once")
def _():
    equal(XvectorClient(uri, "xvector:P@ssw0rd1").update_password("xvector", "P@ssw0rd1", "P@ssw0rd2"), {})
    with raises(XvectorApiError, "[1800]", "user hasn't authenticated"):
        XvectorClient(uri, "xvector:P@ssw0rd1").describe_user("xvector")
    equal(XvectorClient(uri, "xvector:P@ssw0rd2").describe_user("xvector"), ["xvector_role"])


@step("pyxvector, errors have the server's code and text")
def _():
    with raises(XvectorApiError, "[1400] old password not correct for xvector: not authenticated"):
        root.update_password("xvector", "wrong", "P@ssw0rd3")
    with raises(XvectorApiError, "[1401] root user cannot be deleted"):
        root.drop_user("root")
    with raises(XvectorApiError, '[1100] the role "nosuch" does not exist'):
        root.describe_role("nosuch")


@step("pyxvector, all of it goes")
def _():
    equal(root.revoke_role("xvector", "xvector_role"), {})
    equal(root.drop_user("xvector"), {})
    equal(root.drop_role("xvector_role"), {})
    assert "xvector" not in root.list_users()
    assert "xvector_role" not in root.list_roles()
