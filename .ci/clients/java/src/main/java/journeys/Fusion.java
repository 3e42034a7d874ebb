package journeys;

import static journeys.Journey.FIRST;
import static journeys.Journey.NAME;
import static journeys.Journey.SECOND;
import static journeys.Journey.basic;
import static journeys.Journey.expect;
import static journeys.Journey.failure;

import fusion.api.UserManagementApi;
import fusion.client.ApiClient;
import fusion.client.ApiException;
import fusion.model.CreateUserPublicView;
import fusion.model.Error;
import fusion.model.UpdatePasswordPublicView;
import fusion.model.UserPublicView;
import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;

/** HTTP Basic on every call. */
final class Fusion {
  private Fusion() {}

  static void journey(String base, Consumer<String> say) throws ApiException, IOException {
    UserManagementApi admin = client(base, "admin", "Fusion4dmin");

    UserPublicView user =
        admin.createUser(
            new CreateUserPublicView().username(NAME).password(FIRST).roleNames(List.of("search")));
    say.accept("created " + user.getUsername() + ", id " + user.getId());

    UserPublicView self = client(base, NAME, FIRST).getUser(user.getId());
    say.accept("logged in, with the roles " + self.getRoleNames());

    UserPublicView changed =
        client(base, NAME, FIRST)
            .updatePassword(
                user.getId(),
                new UpdatePasswordPublicView()
                    .currentPassword(FIRST)
                    .password(SECOND)
                    .passwordConfirm(SECOND));
    expect("a change has a time", changed.getUpdatedAt() != null);
    say.accept("changed the password at " + changed.getUpdatedAt());

    Error refused = error(401, () -> client(base, NAME, FIRST).getUser(user.getId()));
    say.accept("the old one fails: " + refused.getCode() + ", " + refused.getMessage());
    client(base, NAME, SECOND).getUser(user.getId());

    List<UserPublicView> users = admin.getUsers(null, null);
    expect("the list has the user", users.contains(changed));
    say.accept("read the list: " + users.stream().map(UserPublicView::getUsername).toList());

    admin.deleteUser(user.getId());
    Error gone = error(404, () -> admin.getUser(user.getId()));
    say.accept("deleted: " + gone.getMessage());
  }

  private static UserManagementApi client(String base, String user, String password) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(base + "/api");
    return new UserManagementApi(client.setRequestInterceptor(basic(user, password)));
  }

  private static Error error(int status, Journey.Call call) throws IOException {
    ApiException e = failure(ApiException.class, call);
    expect(e.getMessage() + ", instead of " + status, e.getCode() == status);
    return ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), Error.class);
  }
}
