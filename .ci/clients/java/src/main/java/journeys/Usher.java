package journeys;

import static journeys.Journey.basic;
import static journeys.Journey.expect;
import static journeys.Journey.failure;

import java.io.File;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import saymon.api.UsersApi;
import usher.api.ClockApi;
import usher.api.FaultsApi;
import usher.api.JournalApi;
import usher.api.SandboxesApi;
import usher.api.SnapshotsApi;
import usher.client.ApiClient;
import usher.client.ApiException;
import usher.model.Assertion;
import usher.model.Clock;
import usher.model.ClockChange;
import usher.model.Expectation;
import usher.model.Fault;
import usher.model.FaultSpec;
import usher.model.JournalEntry;
import usher.model.Problem;
import usher.model.Sandbox;
import usher.model.SandboxSpec;
import usher.model.Snapshot;
import usher.model.SnapshotSpec;
import usher.model.Verdict;

/** usher's own control API: a sandbox, its clock, faults, journal and snapshots. */
final class Usher {
  private static final String NAME = "journey-java";
  private static final String COPY = NAME + "-copy";
  private static final String OPERATION = "getCurrentUser";

  private Usher() {}

  static void journey(String base, Consumer<String> say)
      throws ApiException, saymon.client.ApiException, IOException {
    ApiClient control = control(base);
    SandboxesApi sandboxes = new SandboxesApi(control);

    Sandbox sandbox =
        sandboxes.createSandbox(new SandboxSpec().name(NAME).from(SandboxSpec.FromEnum.DEMO));
    say.accept("created " + sandbox.getName() + ", at " + sandbox.getUrls().getPath());
    List<String> names =
        sandboxes.listSandboxes().getSandboxes().stream().map(Sandbox::getName).toList();
    expect("the list has the sandbox", names.contains(NAME));
    say.accept("read the list: " + names);

    ClockApi clock = new ClockApi(control);
    Clock frozen = clock.changeClock(NAME, new ClockChange().frozen(true));
    Clock advanced = clock.changeClock(NAME, new ClockChange().advance("1h30m"));
    expect("the clock stands still", frozen.getFrozen() && advanced.getFrozen());
    expect(
        "it is 90 minutes later",
        Duration.between(frozen.getTime(), advanced.getTime()).equals(Duration.ofMinutes(90)));
    say.accept("froze the clock at " + frozen.getTime() + ", advanced it to " + advanced.getTime());

    FaultsApi faults = new FaultsApi(control);
    Fault fault =
        faults.addFault(
            NAME, new FaultSpec().api("saymon").operation(OPERATION).status(503).first(1));
    expect("the list has the fault", faults.listFaults(NAME).getFaults().equals(List.of(fault)));
    say.accept("added " + fault.getId());

    UsersApi admin = saymon(sandbox.getUrls().getPath());
    saymon.client.ApiException busy =
        failure(saymon.client.ApiException.class, admin::getCurrentUser);
    expect(busy.getMessage() + ", instead of 503", busy.getCode() == 503);
    String self = admin.getCurrentUser().getLogin();
    say.accept("SAYMON says " + busy.getResponseBody() + ", and then " + self);

    JournalApi journal = new JournalApi(control);
    List<JournalEntry> failures =
        journal
            .listJournal(NAME, null, OPERATION, null, "5xx", null, null, null, null)
            .getEntries();
    expect("the journal has the failure alone", failures.size() == 1);
    JournalEntry entry = failures.get(0);
    expect("the failure has its status", entry.getAnswer().getStatus() == 503);
    expect("the journal names the fault", fault.getId().equals(entry.getFault()));
    expect("the journal goes by the clock", entry.getAt().isEqual(advanced.getTime()));
    Verdict verdict =
        journal.assertJournal(
            NAME,
            new Assertion()
                .ordered(true)
                .addRequestsItem(expected(1).status(503))
                .addRequestsItem(expected(1).status(200)));
    expect("first the failure, then the success", verdict.getMet());
    Verdict miss = journal.assertJournal(NAME, new Assertion().addRequestsItem(expected(3)));
    expect("three calls were not made", !miss.getMet());
    say.accept("asserted the journal: " + miss.getRequests().get(0).getReason());

    SnapshotsApi snapshots = new SnapshotsApi(control);
    Snapshot taken = snapshots.takeSnapshot(NAME, new SnapshotSpec().name(NAME));
    File file = snapshots.downloadSnapshot(NAME);
    Snapshot uploaded = upload(base, file);
    expect("the copy has its name", uploaded.getName().equals(COPY));
    expect("the copy is as large", uploaded.getSize().equals(taken.getSize()));
    say.accept(
        "took a snapshot, downloaded "
            + file.length()
            + " bytes, uploaded them as "
            + uploaded.getName());

    snapshots.deleteSnapshot(NAME);
    snapshots.deleteSnapshot(COPY);
    sandboxes.deleteSandbox(NAME);
    ApiException e = failure(ApiException.class, () -> sandboxes.getSandbox(NAME));
    expect(e.getMessage() + ", instead of 404", e.getCode() == 404);
    Problem gone =
        ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), Problem.class);
    expect(
        "it is a problem without a type of its own",
        gone.getType().equals("about:blank") && gone.getStatus() == 404);
    say.accept("deleted: " + gone.getTitle() + ", " + gone.getDetail());
  }

  private static ApiClient control(String base) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(base + "/_usher");
    return client;
  }

  /**
   * Uploads the copy. The client would send the file's path as JSON: its interceptor sends the file.
   */
  private static Snapshot upload(String base, File file) throws ApiException, IOException {
    BodyPublisher bytes = BodyPublishers.ofFile(file.toPath());
    ApiClient client = control(base).setRequestInterceptor(request -> request.PUT(bytes));
    return new SnapshotsApi(client).uploadSnapshot(COPY, file);
  }

  private static UsersApi saymon(String sandbox) {
    saymon.client.ApiClient client = new saymon.client.ApiClient();
    client.updateBaseUri(sandbox + "/node/api");
    return new UsersApi(client.setRequestInterceptor(basic("admin", "saymon-admin")));
  }

  private static Expectation expected(int exactly) {
    return new Expectation().operation(OPERATION).exactly(exactly);
  }
}
