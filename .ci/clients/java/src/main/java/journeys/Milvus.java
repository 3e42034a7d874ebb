package journeys;

import static journeys.Journey.FIRST;
import static journeys.Journey.NAME;
import static journeys.Journey.SECOND;
import static journeys.Journey.bearer;
import static journeys.Journey.expect;
import static journeys.Journey.failure;

import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;
import milvus.api.UsersApi;
import milvus.client.ApiClient;
import milvus.client.ApiException;
import milvus.model.CreateUserRequest;
import milvus.model.DescribeUserRequest;
import milvus.model.DropUserRequest;
import milvus.model.EmptyResult;
import milvus.model.Error;
import milvus.model.ListRequest;
import milvus.model.NamesResult;
import milvus.model.UpdatePasswordRequest;
import milvus.model.UserRolesResult;

/** POST only, and a code that tells success from failure under HTTP 200. */
final class Milvus {
  private Milvus() {}

  static void journey(String base, Consumer<String> say) throws ApiException, IOException {
    UsersApi root = client(base, "root", "Milvus");

    done(root.createUser(new CreateUserRequest().userName(NAME).password(FIRST), null, null));
    say.accept("created " + NAME);

    DescribeUserRequest describe = new DescribeUserRequest().userName(NAME);
    UserRolesResult self = client(base, NAME, FIRST).describeUser(describe, null, null);
    expect(self.getMessage(), self.getCode() == 0);
    say.accept("logged in, with the roles " + self.getData());

    UpdatePasswordRequest change =
        new UpdatePasswordRequest().userName(NAME).password(FIRST).newPassword(SECOND);
    done(client(base, NAME, FIRST).updatePassword(change, null, null));
    say.accept("changed the password");

    ApiException e =
        failure(
            ApiException.class, () -> client(base, NAME, FIRST).describeUser(describe, null, null));
    expect(e.getMessage() + ", instead of 401", e.getCode() == 401);
    Error refused =
        ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), Error.class);
    say.accept("the old one fails: " + refused.getCode() + ", " + refused.getMessage());
    EmptyResult again = client(base, NAME, SECOND).updatePassword(change, null, null);
    expect("a change from the old one fails", again.getCode() == 1400);
    say.accept(
        "so does another change from it, under HTTP 200: "
            + again.getCode()
            + ", "
            + again.getMessage());

    List<String> names = names(root);
    expect("the list has the user", names.contains(NAME));
    say.accept("read the list: " + names);

    done(root.dropUser(new DropUserRequest().userName(NAME), null, null));
    expect("the list has the user no more", !names(root).contains(NAME));
    say.accept("deleted");
  }

  private static UsersApi client(String base, String user, String password) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(base + "/v2/vectordb");
    return new UsersApi(client.setRequestInterceptor(bearer(user + ":" + password)));
  }

  private static List<String> names(UsersApi client) throws ApiException {
    NamesResult result = client.listUsers(new ListRequest(), null, null);
    expect(result.getMessage(), result.getCode() == 0);
    return result.getData();
  }

  /** HTTP 200 does not mean success: the code does. */
  private static void done(EmptyResult result) {
    expect(result.getMessage(), result.getCode() == 0);
  }
}
