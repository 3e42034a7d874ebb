"""Milvus: POST only, and a code that tells success from failure under HTTP 200."""

from contextlib import ExitStack

from milvus_client import AuthenticatedClient
from milvus_client.api.users import create_user, describe_user, drop_user, list_users, update_password
from milvus_client.models import (
    CreateUserRequest,
    DescribeUserRequest,
    DropUserRequest,
    EmptyResult,
    Error,
    ListRequest,
    NamesResult,
    UpdatePasswordRequest,
    UserRolesResult,
)

from .journey import FIRST, NAME, SECOND, Say


def journey(base: str, clients: ExitStack, say: Say) -> None:
    def client(user: str, password: str) -> AuthenticatedClient:
        return clients.enter_context(AuthenticatedClient(f"{base}/v2/vectordb", token=f"{user}:{password}"))

    def names() -> list[str]:
        result = list_users.sync(client=root, body=ListRequest())
        assert isinstance(result, NamesResult) and result.code == 0, result
        return result.data or []

    root = client("root", "Milvus")

    made = create_user.sync(client=root, body=CreateUserRequest(user_name=NAME, password=FIRST))
    assert isinstance(made, EmptyResult) and made.code == 0, made
    say(f"created {NAME}")

    own = describe_user.sync(client=client(NAME, FIRST), body=DescribeUserRequest(user_name=NAME))
    assert isinstance(own, UserRolesResult) and own.code == 0, own
    say(f"logged in, with the roles {own.data}")

    change = UpdatePasswordRequest(user_name=NAME, password=FIRST, new_password=SECOND)
    changed = update_password.sync(client=client(NAME, FIRST), body=change)
    assert isinstance(changed, EmptyResult) and changed.code == 0, changed
    say("changed the password")

    refused = describe_user.sync_detailed(client=client(NAME, FIRST), body=DescribeUserRequest(user_name=NAME))
    assert refused.status_code == 401 and isinstance(refused.parsed, Error), refused
    say(f"the old one fails: {refused.parsed.code}, {refused.parsed.message}")
    again = update_password.sync(client=client(NAME, SECOND), body=change)
    assert isinstance(again, EmptyResult) and again.code == 1400, again
    say(f"so does another change from it, under HTTP 200: {again.code}, {again.message}")

    assert NAME in names()
    say(f"read the list: {names()}")

    dropped = drop_user.sync(client=root, body=DropUserRequest(user_name=NAME))
    assert isinstance(dropped, EmptyResult) and dropped.code == 0, dropped
    assert NAME not in names()
    say("deleted")
