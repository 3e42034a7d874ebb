"""Fusion: HTTP Basic on every call."""

from contextlib import ExitStack

from fusion_client import AuthenticatedClient
from fusion_client.api.user_management import create_user, delete_user, get_user, get_users, update_password
from fusion_client.models import CreateUserPublicView, Error, UpdatePasswordPublicView, UserPublicView

from .journey import FIRST, NAME, SECOND, Say, basic


def journey(base: str, clients: ExitStack, say: Say) -> None:
    def client(user: str, password: str) -> AuthenticatedClient:
        return clients.enter_context(AuthenticatedClient(f"{base}/api", token=basic(user, password), prefix="Basic"))

    admin = client("admin", "Fusion4dmin")

    user = create_user.sync(
        client=admin, body=CreateUserPublicView(username=NAME, password=FIRST, role_names=["search"])
    )
    assert isinstance(user, UserPublicView), user
    say(f"created {user.username}, id {user.id}")

    own = get_user.sync(user.id, client=client(NAME, FIRST))
    assert isinstance(own, UserPublicView), own
    say(f"logged in, with the roles {own.role_names}")

    changed = update_password.sync(
        user.id,
        client=client(NAME, FIRST),
        body=UpdatePasswordPublicView(current_password=FIRST, password=SECOND, password_confirm=SECOND),
    )
    assert isinstance(changed, UserPublicView) and changed.updated_at, changed
    say(f"changed the password at {changed.updated_at}")

    refused = get_user.sync_detailed(user.id, client=client(NAME, FIRST))
    assert refused.status_code == 401 and isinstance(refused.parsed, Error), refused
    say(f"the old one fails: {refused.parsed.code}, {refused.parsed.message}")
    assert isinstance(get_user.sync(user.id, client=client(NAME, SECOND)), UserPublicView)

    users = get_users.sync(client=admin)
    assert isinstance(users, list) and user.id in [each.id for each in users], users
    say(f"read the list: {[each.username for each in users]}")

    assert delete_user.sync_detailed(user.id, client=admin).status_code == 204
    gone = get_user.sync(user.id, client=admin)
    assert isinstance(gone, Error), gone
    say(f"deleted: {gone.message}")
