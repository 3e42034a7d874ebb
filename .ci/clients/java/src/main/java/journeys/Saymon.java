package journeys;

import static journeys.Journey.FIRST;
import static journeys.Journey.NAME;
import static journeys.Journey.SECOND;
import static journeys.Journey.basic;
import static journeys.Journey.expect;
import static journeys.Journey.failure;
import static journeys.Journey.header;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.util.List;
import java.util.function.Consumer;
import saymon.api.AuthenticationApi;
import saymon.api.UsersApi;
import saymon.client.ApiClient;
import saymon.client.ApiException;
import saymon.model.ChangePasswordRequest;
import saymon.model.CreateSessionRequest;
import saymon.model.CreateUserRequest;
import saymon.model.Error;
import saymon.model.User;

/** HTTP Basic, or a session whose id is the cookie sid. */
final class Saymon {
  private Saymon() {}

  static void journey(String base, Consumer<String> say) throws ApiException, IOException {
    UsersApi admin = users(base, basic("admin", "saymon-admin"));

    User user =
        admin.createUser(
            new CreateUserRequest()
                .login(NAME)
                .password(FIRST)
                .permissions(List.of("manage-links")));
    say.accept("created " + user.getLogin() + ", id " + user.getId());

    String session =
        new AuthenticationApi(client(base))
            .createSession(new CreateSessionRequest().login(NAME).password(FIRST));
    UsersApi inSession = users(base, header("Cookie", "sid=" + session));
    User self = inSession.getCurrentUser();
    expect("the session is the user's", self.getId().equals(user.getId()));
    say.accept("logged in, with the permissions " + self.getPermissions());

    users(base, basic(NAME, FIRST))
        .changeUserPassword(
            user.getId(), new ChangePasswordRequest().currentPassword(FIRST).newPassword(SECOND));
    say.accept("changed the password");

    Error refused = error(401, () -> users(base, basic(NAME, FIRST)).getCurrentUser());
    say.accept("the old one fails: " + refused.getCode() + ", " + refused.getMessage());
    error(401, inSession::getCurrentUser);
    users(base, basic(NAME, SECOND)).getCurrentUser();

    List<User> list = admin.listUsers();
    expect(
        "the list has the user", list.stream().anyMatch(item -> item.getId().equals(user.getId())));
    say.accept("read the list: " + list.stream().map(User::getLogin).toList());

    admin.deleteUser(user.getId());
    Error gone = error(404, () -> admin.getUser(user.getId()));
    say.accept("deleted: " + gone.getMessage());
  }

  private static ApiClient client(String base) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(base + "/node/api");
    return client;
  }

  private static UsersApi users(String base, Consumer<HttpRequest.Builder> credentials) {
    return new UsersApi(client(base).setRequestInterceptor(credentials));
  }

  private static Error error(int status, Journey.Call call) throws IOException {
    ApiException e = failure(ApiException.class, call);
    expect(e.getMessage() + ", instead of " + status, e.getCode() == status);
    return ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), Error.class);
  }
}
