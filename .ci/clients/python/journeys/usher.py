"""usher's own control API: a sandbox, its clock, faults, journal and snapshots."""

from contextlib import ExitStack
from datetime import timedelta

from saymon_client import AuthenticatedClient
from saymon_client.api.users import get_current_user
from saymon_client.models import Error, User
from usher_client import Client
from usher_client.api.clock import change_clock
from usher_client.api.faults import add_fault, list_faults
from usher_client.api.journal import assert_journal, list_journal
from usher_client.api.sandboxes import create_sandbox, delete_sandbox, get_sandbox, list_sandboxes
from usher_client.api.snapshots import delete_snapshot, download_snapshot, take_snapshot, upload_snapshot
from usher_client.models import (
    Assertion,
    Clock,
    ClockChange,
    Expectation,
    Fault,
    FaultSpec,
    ListFaultsResponse200,
    ListJournalResponse200,
    ListSandboxesResponse200,
    Problem,
    Sandbox,
    SandboxSpec,
    SandboxSpecFrom,
    Snapshot,
    SnapshotSpec,
    Verdict,
)
from usher_client.types import File

from .journey import Say, basic

NAME = "journey-python"
COPY = f"{NAME}-copy"
OPERATION = "getCurrentUser"


def journey(base: str, clients: ExitStack, say: Say) -> None:
    control = clients.enter_context(Client(f"{base}/_usher"))

    def clock(change: ClockChange) -> Clock:
        result = change_clock.sync(NAME, client=control, body=change)
        assert isinstance(result, Clock) and result.frozen, result
        return result

    def verdict(*requests: Expectation) -> Verdict:
        result = assert_journal.sync(NAME, client=control, body=Assertion(requests=list(requests), ordered=True))
        assert isinstance(result, Verdict), result
        return result

    sandbox = create_sandbox.sync(client=control, body=SandboxSpec(name=NAME, from_=SandboxSpecFrom.DEMO))
    assert isinstance(sandbox, Sandbox), sandbox
    say(f"created {sandbox.name}, at {sandbox.urls.path}")
    sandboxes = list_sandboxes.sync(client=control)
    assert isinstance(sandboxes, ListSandboxesResponse200), sandboxes
    names = [each.name for each in sandboxes.sandboxes]
    assert NAME in names, names
    say(f"read the list: {names}")

    frozen = clock(ClockChange(frozen=True)).time
    advanced = clock(ClockChange(advance="1h30m")).time
    assert advanced - frozen == timedelta(minutes=90), (frozen, advanced)
    say(f"froze the clock at {frozen}, advanced it to {advanced}")

    rule = FaultSpec(api="saymon", operation=OPERATION, status=503, first=1)
    fault = add_fault.sync(NAME, client=control, body=rule)
    assert isinstance(fault, Fault), fault
    faults = list_faults.sync(NAME, client=control)
    assert isinstance(faults, ListFaultsResponse200), faults
    assert [(each.id, each.spec) for each in faults.faults] == [(fault.id, rule)], faults
    say(f"added {fault.id}")

    token = basic("admin", "saymon-admin")
    admin = clients.enter_context(AuthenticatedClient(f"{sandbox.urls.path}/node/api", token=token, prefix="Basic"))
    busy = get_current_user.sync_detailed(client=admin)
    assert busy.status_code == 503 and isinstance(busy.parsed, Error), busy
    own = get_current_user.sync(client=admin)
    assert isinstance(own, User), own
    say(f"SAYMON says {busy.parsed.code}, and then {own.login}")

    journal = list_journal.sync(NAME, client=control, operation=OPERATION, status="5xx")
    assert isinstance(journal, ListJournalResponse200), journal
    (entry,) = journal.entries
    assert (entry.answer.status, entry.fault, entry.at) == (503, fault.id, advanced), entry
    met = verdict(
        Expectation(operation=OPERATION, status=503, exactly=1),
        Expectation(operation=OPERATION, status=200, exactly=1),
    )
    assert met.met, met
    miss = verdict(Expectation(operation=OPERATION, exactly=3))
    assert not miss.met, miss
    say(f"asserted the journal: {miss.requests[0].reason}")

    taken = take_snapshot.sync(NAME, client=control, body=SnapshotSpec(name=NAME))
    assert isinstance(taken, Snapshot), taken
    file = download_snapshot.sync(NAME, client=control)
    assert isinstance(file, File), file
    uploaded = upload_snapshot.sync(COPY, client=control, body=file)
    assert isinstance(uploaded, Snapshot), uploaded
    assert (uploaded.name, uploaded.size) == (COPY, taken.size), uploaded
    say(f"took a snapshot, downloaded {file.payload.tell()} bytes, uploaded them as {uploaded.name}")

    for name in (NAME, COPY):
        assert delete_snapshot.sync_detailed(name, client=control).status_code == 204
    assert delete_sandbox.sync_detailed(NAME, client=control).status_code == 204
    gone = get_sandbox.sync_detailed(NAME, client=control)
    assert gone.status_code == 404 and isinstance(gone.parsed, Problem), gone
    assert (gone.parsed.type_, gone.parsed.status) == ("about:blank", 404), gone
    say(f"deleted: {gone.parsed.title}, {gone.parsed.detail}")
