package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Map;

/** A client of SAYMON, as one writes it: it is what SaymonTest tests. */
final class Saymon {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int TRIES = 3;

  private final HttpClient http = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
  private final String users;

  Saymon(String url) {
    users = url + "/node/api/users";
  }

  /** An answer that is no success. */
  static final class Refused extends IOException {
    private static final long serialVersionUID = 1;
    final int status;

    Refused(int status, String body) {
      super(status + " " + body);
      this.status = status;
    }
  }

  /** Begins a session, which the cookie keeps. */
  void logIn(String login, String password) throws IOException, InterruptedException {
    call("POST", "/session", Map.of("login", login, "password", password));
  }

  /** Creates a user and returns the id. */
  String create(String login, String password) throws IOException, InterruptedException {
    return call("POST", "", Map.of("login", login, "password", password)).path("id").asText();
  }

  void changePassword(String id, String old, String changed) throws IOException, InterruptedException {
    call("PUT", "/" + id + "/password", Map.of("currentPassword", old, "newPassword", changed));
  }

  JsonNode current() throws IOException, InterruptedException {
    return call("GET", "/current", null);
  }

  // Whoever is turned away with a 503 has done nothing yet, and comes again.
  private JsonNode call(String method, String path, Object body) throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(users + path));
    if (body == null) {
      request.method(method, BodyPublishers.noBody());
    } else {
      request.header("Content-Type", "application/json")
          .method(method, BodyPublishers.ofString(JSON.writeValueAsString(body)));
    }
    HttpResponse<String> answer = http.send(request.build(), BodyHandlers.ofString());
    for (int tries = 1; answer.statusCode() == 503 && tries < TRIES; tries++) {
      answer = http.send(request.build(), BodyHandlers.ofString());
    }
    if (answer.statusCode() != 200) {
      throw new Refused(answer.statusCode(), answer.body());
    }
    return JSON.readTree(answer.body());
  }
}
