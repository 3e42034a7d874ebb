import pytest

from milvus import call, change_password, works

USER, OLD, NEW = "milvusAdmin", "P@ssw0rd", "P@ssw0rd!"


def test_after_a_password_change_the_old_one_fails(sandbox):
    change_password(sandbox.url, USER, OLD, NEW)
    assert works(sandbox.url, USER, NEW)
    assert not works(sandbox.url, USER, OLD)


def test_a_wrong_old_password_changes_nothing(sandbox):
    with pytest.raises(PermissionError):
        change_password(sandbox.url, USER, "N0tTheOne!", NEW)
    assert works(sandbox.url, USER, OLD)


def test_a_user_may_do_what_a_role_lets_them(sandbox):
    def as_root(path, **body):
        assert call(sandbox.url, "root", "Milvus", path, **body)[0] == 0

    as_root("users/create", userName="claire", password=OLD)
    assert call(sandbox.url, "claire", OLD, "users/list")[0] != 0
    as_root("roles/create", roleName="lister")
    as_root("roles/grant_privilege_v2", roleName="lister",
            privilege="SelectOwnership", dbName="*", collectionName="*")
    as_root("users/grant_role", userName="claire", roleName="lister")
    assert call(sandbox.url, "claire", OLD, "users/list") == (0, ["claire", USER, "root"])


def test_a_change_whose_answer_is_lost_is_found_out(sandbox):
    sandbox.fault(api="milvus", operation="updatePassword", cut="after", first=1)
    change_password(sandbox.url, USER, OLD, NEW)
    assert works(sandbox.url, USER, NEW)
    sandbox.assert_sent(dict(operation="updatePassword", exactly=2))


@pytest.mark.parametrize("user", ["claire", "dora"])
def test_each_test_has_a_world_of_its_own(sandbox, user):
    call(sandbox.url, "root", "Milvus", "users/create", userName=user, password=OLD)
    assert call(sandbox.url, "root", "Milvus", "users/list") == (0, sorted([user, USER, "root"]))
