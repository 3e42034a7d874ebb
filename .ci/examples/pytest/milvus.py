"""Changes passwords of Milvus. It is what test_milvus.py tests."""

import requests


def call(url, user, password, path, /, **body):
    """Answers Milvus' own code, 0 for success, and the data."""
    answer = requests.post(
        f"{url}/v2/vectordb/{path}", json=body, timeout=10,
        headers={"Authorization": f"Bearer {user}:{password}"},
    ).json()
    return answer["code"], answer.get("data")


def works(url, user, password):
    return call(url, user, password, "users/describe", userName=user)[0] == 0


def change_password(url, user, old, new):
    """Gives a user a new password, even where the network loses answers.

    Whether a change whose answer was lost took place, only the password tells.
    """
    for _ in range(3):
        try:
            code, _ = call(url, user, old, "users/update_password",
                           userName=user, password=old, newPassword=new)
        except requests.ConnectionError:
            continue
        if code == 0 or works(url, user, new):
            return
        raise PermissionError(f"Milvus refuses the change: {code}")
    raise ConnectionError("Milvus does not answer")
