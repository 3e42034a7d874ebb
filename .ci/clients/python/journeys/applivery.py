"""Applivery: a login, and Bearer from then on."""

from contextlib import ExitStack

from applivery_client import AuthenticatedClient, Client
from applivery_client.api.authentication import login
from applivery_client.api.users import change_user_password, create_user, delete_user, get_profile, get_user, list_users
from applivery_client.models import (
    ChangePasswordRequest,
    ChangePasswordResult,
    CreateUserRequest,
    DeleteUserResult,
    Failure,
    LoginPayload,
    LoginProvider,
    LoginRequest,
    LoginResult,
    UserEnvelope,
    UserPage,
)

from .journey import FIRST, NAME, SECOND, Say


def journey(base: str, clients: ExitStack, say: Say) -> None:
    anyone = clients.enter_context(Client(f"{base}/v1"))

    def credentials(email: str, password: str) -> LoginRequest:
        return LoginRequest(provider=LoginProvider.TRADITIONAL, payload=LoginPayload(email=email, password=password))

    def client(email: str, password: str) -> AuthenticatedClient:
        result = login.sync(client=anyone, body=credentials(email, password))
        assert isinstance(result, LoginResult), result
        return clients.enter_context(AuthenticatedClient(f"{base}/v1", token=result.data.access_token.token))

    admin = client("admin@example.com", "AdminSecureP@ss123")
    email = f"{NAME}@example.com"

    made = create_user.sync(
        client=admin, body=CreateUserRequest(email=email, password=FIRST, first_name="Ada", last_name="Byron")
    )
    assert isinstance(made, UserEnvelope), made
    user = made.data
    say(f"created {user.full_name}, id {user.id}")

    ada = client(email, FIRST)
    profile = get_profile.sync(client=ada)
    assert isinstance(profile, UserEnvelope) and profile.data.id == user.id, profile
    say(f"logged in, at {profile.data.activity_trace.last_login.dashboard}")

    changed = change_user_password.sync(
        user.id, client=ada, body=ChangePasswordRequest(old_password=FIRST, new_password=SECOND)
    )
    assert isinstance(changed, ChangePasswordResult), changed
    say(f"changed the password: {changed.data.password_changed}")

    refused = login.sync_detailed(client=anyone, body=credentials(email, FIRST))
    assert refused.status_code == 403 and isinstance(refused.parsed, Failure), refused
    say(f"the old one fails: {refused.parsed.error.code}, {refused.parsed.error.message}")
    client(email, SECOND)

    page = list_users.sync(client=admin, limit=100, sort="email:asc")
    assert isinstance(page, UserPage) and user.id in [each.id for each in page.data.items], page
    assert page.data.prev_page is None, page
    say(f"read the list: {[each.email for each in page.data.items]}")

    deleted = delete_user.sync(user.id, client=admin)
    assert isinstance(deleted, DeleteUserResult), deleted
    gone = get_user.sync(user.id, client=admin)
    assert isinstance(gone, Failure), gone
    say(f"deleted: {deleted.data.delete}, then {gone.error.message}")
