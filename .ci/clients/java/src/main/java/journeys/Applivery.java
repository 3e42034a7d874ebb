package journeys;

import static journeys.Journey.FIRST;
import static journeys.Journey.NAME;
import static journeys.Journey.SECOND;
import static journeys.Journey.bearer;
import static journeys.Journey.expect;
import static journeys.Journey.failure;

import applivery.api.AuthenticationApi;
import applivery.api.UsersApi;
import applivery.client.ApiClient;
import applivery.client.ApiException;
import applivery.model.ChangePasswordRequest;
import applivery.model.CreateUserRequest;
import applivery.model.Failure;
import applivery.model.LoginPayload;
import applivery.model.LoginProvider;
import applivery.model.LoginRequest;
import applivery.model.User;
import applivery.model.UserPageData;
import java.io.IOException;
import java.util.function.Consumer;

/** A login, and Bearer from then on. */
final class Applivery {
  private Applivery() {}

  static void journey(String base, Consumer<String> say) throws ApiException, IOException {
    UsersApi admin = logIn(base, "admin@example.com", "AdminSecureP@ss123");
    String email = NAME + "@example.com";

    User user =
        admin
            .createUser(
                new CreateUserRequest()
                    .email(email)
                    .password(FIRST)
                    .firstName("Ada")
                    .lastName("Byron"))
            .getData();
    say.accept("created " + user.getFullName() + ", id " + user.getId());

    UsersApi ada = logIn(base, email, FIRST);
    User self = ada.getProfile().getData();
    expect("the profile is the user's", self.getId().equals(user.getId()));
    say.accept("logged in, at " + self.getActivityTrace().getLastLogin().getDashboard());

    String changed =
        ada.changeUserPassword(
                user.getId(), new ChangePasswordRequest().oldPassword(FIRST).newPassword(SECOND))
            .getData()
            .getPasswordChanged();
    say.accept("changed the password: " + changed);

    Failure refused = error(403, () -> logIn(base, email, FIRST));
    say.accept(
        "the old one fails: "
            + refused.getError().getCode()
            + ", "
            + refused.getError().getMessage());
    logIn(base, email, SECOND);

    UserPageData page = admin.listUsers(null, 100, "email:asc").getData();
    expect(
        "the list has the user",
        page.getItems().stream().anyMatch(item -> item.getId().equals(user.getId())));
    expect("there is no page before the first", page.getPrevPage() == null);
    say.accept("read the list: " + page.getItems().stream().map(User::getEmail).toList());

    String deleted = admin.deleteUser(user.getId()).getData().getDelete();
    Failure gone = error(404, () -> admin.getUser(user.getId()));
    say.accept("deleted: " + deleted + ", then " + gone.getError().getMessage());
  }

  private static UsersApi logIn(String base, String email, String password) throws ApiException {
    ApiClient client = new ApiClient();
    client.updateBaseUri(base + "/v1");
    String token =
        new AuthenticationApi(client)
            .login(
                new LoginRequest()
                    .provider(LoginProvider.TRADITIONAL)
                    .payload(new LoginPayload().email(email).password(password)))
            .getData()
            .getAccessToken()
            .getToken();
    return new UsersApi(client.setRequestInterceptor(bearer(token)));
  }

  private static Failure error(int status, Journey.Call call) throws IOException {
    ApiException e = failure(ApiException.class, call);
    expect(e.getMessage() + ", instead of " + status, e.getCode() == status);
    return ApiClient.createDefaultObjectMapper().readValue(e.getResponseBody(), Failure.class);
  }
}
