"""What Schemathesis must know of the four APIs and of the workbench: who calls, what
walks need, whom a run must not lock out, which of its findings are the vendors' own
behaviour, and what a run must have reached.

Taken from the environment: API, the name of the one under test, ADDRESS, where
it is served, and TOKEN, what the workbench asks for. What was reached is kept in
reached.json, for a further round to add to. The exit code is 3 if nothing is wrong
but that.
"""

import base64
import itertools
import json
import os
import urllib.request
from collections import Counter, defaultdict

import schemathesis
import schemathesis.cli
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.core.jsonschema import make_validator
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import events
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    EnsureResourceAvailability,
    RejectedPositiveData,
    UnsupportedMethodResponse,
    UseAfterFree,
)

API = os.environ["API"]
ADDRESS = os.environ["ADDRESS"]


def send(method, path, body=None, **headers):
    """Sends a request of this file's own; the answer's headers and JSON, None without a body."""
    request = urllib.request.Request(
        f"http://{ADDRESS}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
        return response.headers, json.loads(text) if text else None


# Who calls: the demo world's administrators.


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def login(email, password):
    _, answer = send("POST", "/v1/auth/login", {"provider": "traditional", "payload": {"email": email, "password": password}})
    return "Bearer " + answer["data"]["accessToken"]["token"]


own = {}  # Authorization of the requests that come from somebody else

CREDENTIALS = {
    "fusion": lambda: basic("admin", "Fusion4dmin"),
    "applivery": lambda: login("admin@example.com", "AdminSecureP@ss123"),
    "saymon": lambda: basic("admin", "saymon-admin"),
    "milvus": lambda: "Bearer root:Milvus",
    "usher": lambda: "Bearer " + os.environ["TOKEN"],
}


@schemathesis.auth()
class Administrator:
    def get(self, case, context):
        return CREDENTIALS[API]()

    def set(self, case, data, context):
        if case.id not in own:
            case.headers["Authorization"] = data


def ask(method, path, body=None):
    return send(method, path, body, Authorization=CREDENTIALS[API]())[1]


# Whom a run must not lock out. A request that would change or delete what the
# administrator's access hangs on goes to somebody who is not there instead:
# Schemathesis knows ids from lists, examples and answers.


def protected():
    """The ids that are not to be touched, and the one that stands in for each."""
    if API == "fusion":
        ids = [user["id"] for user in ask("GET", "/api/users?username=admin")]
        ids += [role["id"] for role in ask("GET", "/api/roles") if role["name"] == "admin"]
        ids += [realm["id"] for realm in ask("GET", "/api/realm-configs") if realm["name"] == "native"]
        return dict.fromkeys(ids, "00000000-0000-4000-8000-000000000000")
    if API == "applivery":
        return {ask("GET", "/v1/users/profile")["data"]["id"]: "0" * 24}
    if API == "saymon":
        # Policy 1 is the one that counts, and could have everybody change the password before anything else.
        # What is shipped takes every password.
        ask("PATCH", "/node/api/password-policies/1", {"length": 8})
        return {ask("GET", "/node/api/users/current")["id"]: "0" * 24, "1": "0" * 24}
    return {"root": "nobody"} if API == "milvus" else {}


def still_administrator():
    if API == "milvus":
        return ask("POST", "/v2/vectordb/users/list", {})["code"] == 0
    paths = {"fusion": "/api/users", "applivery": "/v1/users", "saymon": "/node/api/users", "usher": "/_usher/sandboxes"}
    return bool(ask("GET", paths[API]))


NOBODY = protected()
redirected = set()


def redirect(case, body):
    for container, name in (case.path_parameters, "id"), (case.path_parameters, "userId"), (body, "userName"):
        value = (container or {}).get(name)
        if isinstance(value, str) and value in NOBODY:
            container[name] = NOBODY[value]
            redirected.add(case.id)


# What walks need. Whatever they make is new, since nothing follows from a
# conflict, and has a password that all four rules take.

PASSWORD = "NewSecureP@ss123"
numbers = itertools.count()


def new_name():
    return f"n{next(numbers)}"


def new_id():
    return f"00000000-0000-4000-8000-{next(numbers) + 1:012}"


def new_address():
    return f"{new_name()}@example.com"


MADE = {
    "fusion": {
        "createUser": {
            "id": new_id, "realmName": "native", "username": new_name, "password": PASSWORD, "passwordConfirm": PASSWORD
        },
        "updatePassword": {"password": PASSWORD, "passwordConfirm": PASSWORD},
        "createRole": {"id": new_id, "name": new_name},
        "createRealm": {"id": new_id, "name": new_name},
        "createApiKey": {"id": new_id, "name": new_name},
    },
    "applivery": {
        "createUser": {"email": new_address, "password": PASSWORD},
        "register": {"email": new_address, "password": PASSWORD},
        "login": {"provider": "traditional"},
        "changeUserPassword": {"oldPassword": PASSWORD},
    },
    "saymon": {
        "createUser": {"login": new_name, "email": new_address, "password": PASSWORD},
        "changeUserPassword": {"newPassword": PASSWORD + "4"},
    },
    "milvus": {
        "createUser": {"userName": new_name, "password": PASSWORD},
        "createRole": {"roleName": new_name},
        "createPrivilegeGroup": {"privilegeGroupName": new_name},
    },
    "usher": {
        "createSandbox": {"name": new_name, "from": "demo", "ttl": "10m"},
        "changeSandbox": {"ttl": "10m"},
        "takeSnapshot": {"name": new_name},
        "changeClock": {"time": "2026-01-01T00:00:00Z", "advance": "1h"},
        "addFault": {"delay": "1ms"},
    },
}[API]
# What does not go together with these, or with each other.
WITHOUT = {
    "createSandbox": ("source", "fixture", "clock"),
    "addFault": ("api", "operation", "method", "status", "example", "first", "every", "probability"),
}


def prepare(case, operation, body):
    for member, value in MADE.get(operation, {}).items():
        body[member] = value() if callable(value) else value
    for member in WITHOUT.get(operation, ()):
        body.pop(member, None)
    if operation == "diffSandbox":
        case.query = {}
    if operation == "assertJournal":
        for expectation in body["requests"]:
            expectation.pop("exactly", None)
            expectation.pop("atMost", None)
    if API == "milvus":
        case.headers.pop("Request-Timeout", None)
    if API == "saymon" and body.get("password") == PASSWORD:
        # Of several ways to log in a token counts before a password.
        body.pop("auth-token", None)
        body.pop("auth-service", None)


# Links whose body is made of several values. They are not in the contracts, since
# openapi-generator refuses a contract with such a link, which OpenAPI allows.
LINKS = {
    "fusion": {},
    "applivery": {
        ("login", "200", "refreshTokens"): (
            "refresh",
            {
                "lastAccessToken": "$response.body#/data/accessToken/token",
                "refreshToken": "$response.body#/data/refreshToken/token",
            },
        ),
        ("register", "200", "logInRegistered"): (
            "login", {"payload": {"email": "$request.body#/email", "password": "$request.body#/password"}}
        ),
        ("createUser", "201", "logIn"): (
            "login", {"payload": {"email": "$response.body#/data/email", "password": "$request.body#/password"}}
        ),
    },
    "saymon": {
        ("createAuthToken", "200", "createSessionByToken"): ("createSession", {"auth-token": "$response.body#"}),
    },
    "milvus": {
        ("createUser", "200", "updatePassword"): (
            "updatePassword",
            {"userName": "$request.body#/userName", "password": "$request.body#/password", "newPassword": PASSWORD + "4"},
        ),
        ("createUser", "200", "grantRole"): (
            "grantRole", {"userName": "$request.body#/userName", "roleName": "public"}
        ),
        ("createRole", "200", "grantPrivilege"): (
            "grantPrivilege",
            {
                "roleName": "$request.body#/roleName",
                "objectType": "Collection",
                "objectName": "novels",
                "privilege": "Search",
            },
        ),
        ("createRole", "200", "grantPrivilegeV2"): (
            "grantPrivilegeV2",
            {"roleName": "$request.body#/roleName", "privilege": "Search", "collectionName": "novels", "dbName": "books"},
        ),
        ("createPrivilegeGroup", "200", "addPrivilegesToGroup"): (
            "addPrivilegesToGroup",
            {"privilegeGroupName": "$request.body#/privilegeGroupName", "privileges": ["Query", "Search"]},
        ),
    },
    "usher": {},
}[API]


def operations_of(schema):
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield f"{method.upper()} {path}", operation


@schemathesis.hook
def before_load_schema(context, raw_schema):
    raw_schema["paths"].pop("/sandboxes/{name}/journal/stream", None)  # an answer without an end
    operations = {operation["operationId"]: operation for _, operation in operations_of(raw_schema)}
    for (source, status_code, name), (target, body) in LINKS.items():
        links = operations[source]["responses"][status_code].setdefault("links", {})
        links[name] = {"operationId": target, "requestBody": body}


# Who is to end a session, or to change the own password, has one; who uploads a
# snapshot, too.


def snapshot():
    send("POST", "/_usher/sandboxes/main/snapshot", {"name": "uploaded"}, Authorization=CREDENTIALS["usher"]())
    request = urllib.request.Request(f"http://{ADDRESS}/_usher/snapshots/uploaded", headers={"Authorization": CREDENTIALS["usher"]()})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


SNAPSHOT = snapshot() if API == "usher" else None


def with_own(case, operation, body):
    if (API, operation) == ("fusion", "deleteSession"):
        headers, _ = send("POST", "/api/session", {"username": "admin", "password": "Fusion4dmin"})
        case.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
    elif (API, operation) == ("saymon", "deleteSession"):
        headers, _ = send("POST", "/node/api/users/session", {"login": "admin", "password": "saymon-admin"})
        case.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
    elif (API, operation) == ("applivery", "updateOwnPassword"):
        email = new_address()
        send("POST", "/v1/auth/register", {"email": email, "password": PASSWORD, "firstName": "A", "lastName": "B", "newsletter": False})
        own[case.id] = case.headers["Authorization"] = login(email, PASSWORD)
        body["password"] = PASSWORD
    elif operation == "uploadSnapshot":
        case.body = SNAPSHOT


def sendable(value):
    """Whether a cookie of this value gets to a handler: net/http refuses control characters."""
    return not isinstance(value, str) or all(character >= " " and character != "\x7f" for character in value)


@schemathesis.hook
def before_call(context, case, kwargs):
    # Fusion's session cookie is called id, and takes the ids of everything.
    case.cookies = {name: value for name, value in (case.cookies or {}).items() if sendable(value)}
    body = case.body if isinstance(case.body, dict) else {}
    if case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        operation = operation_of(case)
        if case.meta.phase.name is TestPhase.STATEFUL:
            prepare(case, operation, body)
        elif case.meta.phase.name is TestPhase.FUZZING:
            with_own(case, operation, body)
    if case.method.upper() != "GET":
        redirect(case, body)


# What a status does not tell: Milvus answers 200 to a request that it calls
# malformed, be it no JSON (1801) or without a member that must be there (1802).


@schemathesis.check
def well_formed_to_milvus(ctx, response, case):
    positive = case.meta and case.meta.generation.mode is GenerationMode.POSITIVE
    if API == "milvus" and positive and response.status_code == 200 and code(response) in (1801, 1802):
        raise RejectedPositiveData(
            operation=case.operation.label, message=response.text, status_code=200, allowed_statuses=[]
        )


# What is not counted as a failure, and why: a kind of finding, the API, what
# else must hold, and the reason. One that never fits is an error, so that the
# list does not outlive its reasons.


def code(response):
    """The answer's own code, in whichever envelope; None: it has none."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body["error"]["code"] if API == "applivery" else body.get("code")


def operation_of(case):
    return case.operation.definition.raw["operationId"]


def negated(case):
    """The parts of the request that do not fit the contract, on purpose."""
    return {location for location, part in case.meta.components.items() if part.mode.is_negative}


def coded(*codes):
    return lambda failure, case, response: code(response) in codes


def said(text, *operations):
    return lambda failure, case, response: operation_of(case) in operations and text in response.json()["message"]


def status(status_code, *paths):
    return lambda failure, case, response: response.status_code == status_code and (not paths or case.path in paths)


def detailed(*starts):
    return lambda failure, case, response: response.json()["detail"].startswith(starts)


def still_there(failure, case, response):
    return case.operation.path.split("/")[3:4] in (["clock"], ["faults"], ["journal"])


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def valid_without_nulls(failure, case, response):
    if negated(case) != {ParameterLocation.BODY} or without_nulls(case.body) == case.body:
        return False
    schema = case.operation.get_body_for_media_type(case.media_type).optimized_schema
    return make_validator(schema, case.operation.schema.adapter.jsonschema_validator_cls).is_valid(without_nulls(case.body))


def long_address(failure, case, response):
    address = (case.body.get("payload") or case.body)["email"]
    return len(address) > 254 and code(response) == 6002


def other_provider(failure, case, response):
    return case.body["provider"] in ("google", "github", "bitbucket") and code(response) == 6002


def failed_or_empty(failure, case, response):
    empty = negated(case) == {ParameterLocation.HEADER} and case.headers.get("Request-Timeout") == ""
    return empty or code(response) != 0


def null_for_a_list(failure, case, response):
    return negated(case) == {ParameterLocation.BODY} and case.body is None and operation_of(case) in LISTS


LISTS = "listUsers", "listRoles", "listPrivilegeGroups"


EXCLUDED = [
    (
        RejectedPositiveData, "fusion", coded("password-rule"),
        "the rule for passwords has an answer of its own, so it is none of the schema's",
    ),
    (
        RejectedPositiveData, "fusion", coded("realm-not-native", "password-mismatch"),
        "whether two members fit together, or fit the user, is nothing that a schema can say",
    ),
    (
        AcceptedNegativeData, "fusion", valid_without_nulls,
        "Jackson takes null for a member that is not there; nullable, each would be two kinds of nothing in clients",
    ),
    (
        UnsupportedMethodResponse, "applivery", status(404),
        "Express, which Applivery is built on, answers 404 to a verb that a path does not have",
    ),
    (
        UnsupportedMethodResponse, "applivery", status(400, "/users/profile"),
        "the paths of one user, /users/{userId}, match /users/profile as well, which is no user's id",
    ),
    (
        RejectedPositiveData, "applivery", coded(5023, 5035, 5057),
        "a wrong old password (5023), a domain without mail (5035) and a simple password (5057) are 400, and no schema's",
    ),
    (
        RejectedPositiveData, "applivery", long_address,
        "maxLength 256 is the vendor's own, and an address of more than 254 characters is none (RFC 5321)",
    ),
    (
        RejectedPositiveData, "applivery", other_provider,
        "the vendor's other providers, none of which is here, are told by name",
    ),
    (
        AllowHeaderMismatch, "saymon", status(405, "/users/current", "/users/session"),
        "the paths of one user, /users/{id}, match these two as well: their verbs are served there",
    ),
    (
        ServerError, "saymon", said("Password does not match policy", "createUser", "changeUserPassword"),
        "SAYMON answers 500 to a password that does not match the default policy; its page says so",
    ),
    (
        RejectedPositiveData, "saymon", said("must not be null.", "createUser", "updateUser", "createUserGroup", "updateUserGroup"),
        "any value but null: OpenAPI 3.0 has no word for it",
    ),
    (
        RejectedPositiveData, "saymon", said("parameter is absent/empty.", "createUser", "createSession"),
        "a login or an email, a login with a password or a token: clients of anyOf are worse than a refusal",
    ),
    (
        RejectedPositiveData, "saymon", said("Authentication service is not supported.", "createSession"),
        "the vendor's other services, none of which is here, are told by name",
    ),
    (
        AcceptedNegativeData, "milvus", failed_or_empty,
        "every failure is HTTP 200, or 408 without time, told by the member code; an empty Request-Timeout is none",
    ),
    (
        AcceptedNegativeData, "milvus", null_for_a_list,
        "a list takes null for {}, as Go's JSON does; nullable, the body is a model of its own in some clients",
    ),
    (
        RejectedPositiveData, "milvus", status(408),
        "a Request-Timeout of 0 and less is a number as any other, and is over at once",
    ),
    (
        UnsupportedMethodResponse, "milvus", status(404),
        "gin, which Milvus is built on, answers 404 to a verb that a path does not have",
    ),
    (
        RejectedPositiveData, "usher",
        detailed(
            "No such sandbox can be: ", "The fixture cannot be loaded: ", "No such fault can be: ",
            "The contract declares no such answer", "Compare with ",
        ),
        "which members go together, and which operation declares which status, is nothing that a schema can say",
    ),
    (
        RejectedPositiveData, "usher", detailed("Request "),
        "whether a number is more than another is nothing that a schema can say",
    ),
    (
        RejectedPositiveData, "usher", detailed("A clock tells ", "Advance is longer ", "Delay is longer ", "Ttl is longer ", "Ttl: "),
        "any number may be a time or a duration, and a clock has its bounds",
    ),
    (
        RejectedPositiveData, "usher", detailed("The file is no snapshot"),
        "any bytes are a file, and few are a snapshot",
    ),
    (
        UseAfterFree, "usher", still_there,
        "a clock, a list of faults and a journal are there as long as their sandbox, and are emptied",
    ),
]
# Of a request that went to somebody else nothing can be said of these.
UNTOLD = AcceptedNegativeData, RejectedPositiveData, UseAfterFree, EnsureResourceAvailability

fitted = Counter()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if case.id in redirected and isinstance(failure, UNTOLD):
        return False
    if isinstance(failure, EnsureResourceAvailability) and operation_of(case) == "deleteFault":
        return False  # seldom, and so not listed above: the walk has reset the sandbox, or deleted every fault
    for kind, api, fits, reason in EXCLUDED:
        if api == API and type(failure) is kind and fits(failure, case, response):
            fitted[reason] += 1
            return False
    return True


# What a run must have reached: cases of both kinds for every operation (there are
# fewer without a word if the time is short), success of every operation, and by
# every link, and each of the exclusions.

UNREACHED = {
    ("fusion", "setInitialAdminPassword"): "the demo world's administrator has a password",
}


PHASES = TestPhase.COVERAGE.value, TestPhase.FUZZING.value


def succeeded(response):
    return 200 <= response.status_code < 300 and (API != "milvus" or code(response) == 0)


@schemathesis.cli.handler()
class Reached(schemathesis.cli.EventHandler):
    def __init__(self, *args, **params):
        self.operations = {}  # operationId → how often it succeeded
        self.cases = {}  # operationId → how many there were of each of PHASES
        self.links = {}  # SOURCE -> [STATUS] NAME → how often what it leads to succeeded
        self.walks = 0
        self.requests = 0

    def handle_event(self, ctx, event):
        if isinstance(event, schemathesis.cli.LoadingFinished):
            self.load(event.schema)
        elif isinstance(event, events.ScenarioFinished):
            self.count(event)
        elif isinstance(event, events.EngineFinished):
            self.report(ctx)

    def load(self, schema):
        global numbers
        for label, operation in operations_of(schema):
            self.operations[operation["operationId"]] = 0
            self.cases[operation["operationId"]] = dict.fromkeys(PHASES, 0)
            for status_code, response in operation["responses"].items():
                for name in response.get("links", ()):
                    self.links[f"{label} -> [{status_code}] {name}"] = 0
        if os.path.exists("reached.json"):
            with open("reached.json") as file:
                before = json.load(file)
            self.operations.update(before["operations"])
            self.links.update(before["links"])
            self.cases.update(before["cases"])
            fitted.update(before["fitted"])
            numbers = itertools.count(before["numbers"])

    def count(self, event):
        self.walks += event.phase.name == "STATEFUL_TESTING"
        for case_id, node in event.recorder.cases.items():
            interaction = event.recorder.interactions.get(case_id)
            if interaction is None or interaction.response is None:
                continue
            self.requests += 1
            meta, operation = node.value.meta, operation_of(node.value)
            if meta and meta.phase.name.value in PHASES:
                self.cases[operation][meta.phase.name.value] += 1
            if not succeeded(interaction.response):
                continue
            self.operations[operation] += 1
            if node.transition is not None and node.is_transition_applied:
                link, _, _ = node.transition.id.rpartition(" -> ")
                self.links[link] += 1

    def report(self, ctx):
        with open("reached.json", "w") as file:
            reached = {
                "operations": self.operations, "cases": self.cases, "links": self.links,
                "fitted": fitted, "numbers": next(numbers),
            }
            json.dump(reached, file)
        say = ctx.add_summary_line
        say("Excluded:")
        for kind, api, _, reason in EXCLUDED:
            if api == API:
                say(f"  {fitted[reason]:5} {kind.__name__}: {reason}")
        say(f"  {len(redirected):5} requests were kept from the administrator")
        say("Reached:")
        say(f"  {sum(map(bool, self.operations.values()))} of {len(self.operations)} operations with success")
        for (api, operation), reason in UNREACHED.items():
            if api == API:
                say(f"    not {operation}: {reason}")
        say(f"  {sum(map(bool, self.links.values()))} of {len(self.links)} links, in {self.walks} walks")
        say(f"  {self.requests} requests")
        missed = [
            f"{operation} succeeded {times} times"
            for operation, times in self.operations.items()
            if bool(times) == ((API, operation) in UNREACHED)
        ]
        missed += [
            f"{operation} had no {phase} case"
            for operation, times in self.cases.items()
            for phase in PHASES
            if not times[phase]
        ]
        missed += [f"{link} never led to success" for link, times in self.links.items() if not times]
        missed += [f"never met: {reason}" for _, api, _, reason in EXCLUDED if api == API and not fitted[reason]]
        for line in missed:
            say(f"  MISSED {line}")
        if missed and ctx.exit_code == 0:
            ctx.exit_code = 3
        try:
            lost = not still_administrator()
        except OSError:
            lost = True
        if lost:
            say("  FAIL the administrator is none any more")
            ctx.exit_code = 1
