import pytest
import requests

from fusion import Fusion


@pytest.fixture
def admin(sandbox):
    return Fusion(sandbox.url, "admin", "Fusion4dmin")


def refused(status):
    return pytest.raises(requests.HTTPError, match=f"^{status} ")


def test_a_user_who_is_created_gets_in(sandbox, admin):
    admin.create_user("claire", "password123", roles=["admin"])
    assert "claire" in Fusion(sandbox.url, "claire", "password123").users()


def test_after_a_password_change_the_old_one_fails(sandbox, admin):
    claire = admin.create_user("claire", "password123", roles=["admin"])
    Fusion(sandbox.url, "claire", "password123").change_password(claire["id"], "password123", "password456")
    assert Fusion(sandbox.url, "claire", "password456").users()
    with refused(401):
        Fusion(sandbox.url, "claire", "password123").users()


def test_a_token_is_good_for_half_an_hour(sandbox, admin):
    sandbox.freeze()
    client = Fusion(sandbox.url, token=admin.token())
    sandbox.advance("29m59s")
    assert client.users()
    sandbox.advance("2s")
    with refused(401):
        client.users()


def test_the_client_comes_again_when_the_server_is_busy(sandbox, admin):
    sandbox.fault(api="fusion", operation="createUser", status=503, first=2)
    admin.create_user("claire", "password123")
    sandbox.assert_sent(
        dict(operation="createUser", status=503, exactly=2),
        dict(operation="createUser", status=201, body={"username": "claire"}, exactly=1),
        ordered=True,
    )


def test_a_server_that_fails_is_not_asked_again(sandbox, admin):
    sandbox.fault(api="fusion", operation="createUser", status=500)
    with refused(500):
        admin.create_user("claire", "password123")
    sandbox.assert_sent(dict(operation="createUser", exactly=1))
