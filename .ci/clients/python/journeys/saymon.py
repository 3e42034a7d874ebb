"""SAYMON: HTTP Basic, or a session whose id is the cookie `sid`."""

from contextlib import ExitStack

from saymon_client import AuthenticatedClient, Client
from saymon_client.api.authentication import create_session
from saymon_client.api.users import (
    change_user_password,
    create_user,
    delete_user,
    get_current_user,
    get_user,
    list_users,
)
from saymon_client.models import ChangePasswordRequest, CreateSessionRequest, CreateUserRequest, Error, User

from .journey import FIRST, NAME, SECOND, Say, basic


def journey(base: str, clients: ExitStack, say: Say) -> None:
    def client(user: str, password: str) -> AuthenticatedClient:
        token = basic(user, password)
        return clients.enter_context(AuthenticatedClient(f"{base}/node/api", token=token, prefix="Basic"))

    admin = client("admin", "saymon-admin")

    user = create_user.sync(
        client=admin, body=CreateUserRequest(login=NAME, password=FIRST, permissions=["manage-links"])
    )
    assert isinstance(user, User), user
    say(f"created {user.login}, id {user.id}")

    anyone = clients.enter_context(Client(f"{base}/node/api"))
    session = create_session.sync(client=anyone, body=CreateSessionRequest(login=NAME, password=FIRST))
    assert isinstance(session, str), session
    in_session = clients.enter_context(
        AuthenticatedClient(f"{base}/node/api", token=f"sid={session}", prefix="", auth_header_name="Cookie")
    )
    own = get_current_user.sync(client=in_session)
    assert isinstance(own, User) and own.id == user.id, own
    say(f"logged in, with the permissions {own.permissions}")

    changed = change_user_password.sync_detailed(
        user.id,
        client=client(NAME, FIRST),
        body=ChangePasswordRequest(current_password=FIRST, new_password=SECOND),
    )
    assert changed.status_code == 200, changed
    say("changed the password")

    refused = get_current_user.sync_detailed(client=client(NAME, FIRST))
    assert refused.status_code == 401 and isinstance(refused.parsed, Error), refused
    say(f"the old one fails: {refused.parsed.code}, {refused.parsed.message}")
    assert isinstance(get_current_user.sync(client=in_session), Error)
    assert isinstance(get_current_user.sync(client=client(NAME, SECOND)), User)

    users = list_users.sync(client=admin)
    assert isinstance(users, list) and user.id in [each.id for each in users], users
    say(f"read the list: {[each.login for each in users]}")

    assert delete_user.sync_detailed(user.id, client=admin).status_code == 200
    gone = get_user.sync(user.id, client=admin)
    assert isinstance(gone, Error), gone
    say(f"deleted: {gone.message}")
