package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Map;

/** A client of Milvus, as one writes it: it is what MilvusTest tests. */
record Milvus(String url, String user, String password) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP = HttpClient.newHttpClient();
  private static final int TRIES = 3;

  /** Sends a request and returns Milvus' answer: code, 0 for success, and data or message. */
  JsonNode call(String path, Map<String, String> body) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/v2/vectordb/" + path))
            .header("Authorization", "Bearer " + user + ":" + password)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(JSON.writeValueAsString(body)))
            .build();
    return JSON.readTree(HTTP.send(request, BodyHandlers.ofString()).body());
  }

  /** Whether the password is right. */
  boolean works() throws IOException, InterruptedException {
    return call("users/describe", Map.of("userName", user)).path("code").asInt() == 0;
  }

  /**
   * Changes the password, even where the network loses answers: whether a change whose answer was
   * lost took place, only the password tells.
   */
  Milvus changePassword(String changed) throws IOException, InterruptedException {
    Milvus after = new Milvus(url, user, changed);
    IOException lost = null;
    for (int tries = 0; tries < TRIES; tries++) {
      try {
        JsonNode answer =
            call("users/update_password",
                Map.of("userName", user, "password", password, "newPassword", changed));
        if (answer.path("code").asInt() == 0 || after.works()) {
          return after;
        }
        throw new IllegalArgumentException(answer.path("message").asText());
      } catch (IOException e) {
        lost = e;
      }
    }
    throw lost;
  }
}
