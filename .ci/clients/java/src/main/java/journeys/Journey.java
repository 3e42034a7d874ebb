package journeys;

import java.net.http.HttpRequest;
import java.util.Base64;
import java.util.function.Consumer;

/** What the journeys have in common. */
@FunctionalInterface
interface Journey {
  String NAME = "journey_java";

  /** The user's first password and the one after the change, under every vendor's rule. */
  String FIRST = "First-Passw0rd";

  String SECOND = "Second-Passw0rd";

  /** Goes its way through the server at the address, and says what it did. */
  void go(String base, Consumer<String> say) throws Exception;

  /** Sends this with every request of a client. */
  static Consumer<HttpRequest.Builder> header(String name, String value) {
    return request -> request.header(name, value);
  }

  static Consumer<HttpRequest.Builder> basic(String user, String password) {
    String credentials = Base64.getEncoder().encodeToString((user + ":" + password).getBytes());
    return header("Authorization", "Basic " + credentials);
  }

  static Consumer<HttpRequest.Builder> bearer(String token) {
    return header("Authorization", "Bearer " + token);
  }

  static void expect(String what, boolean holds) {
    if (!holds) {
      throw new IllegalStateException("not so: " + what);
    }
  }

  /** A call of a client, which throws the exception of its API. */
  @FunctionalInterface
  interface Call {
    void send() throws Exception;
  }

  /** The exception that a call must throw. */
  static <E extends Exception> E failure(Class<E> type, Call call) {
    try {
      call.send();
    } catch (Exception e) {
      return type.cast(e);
    }
    throw new IllegalStateException("no failure");
  }
}
