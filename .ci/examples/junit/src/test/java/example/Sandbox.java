package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;

/** A world of one test: users, tokens, clock, faults and journal of its own. */
public final class Sandbox implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final String control;

  /** Where every API is found, with the demo accounts. */
  public final String url;

  Sandbox(String usher) {
    String sandboxes = usher + "/_usher/sandboxes";
    JsonNode made = send("POST", sandboxes, Map.of());
    url = made.at("/urls/path").asText();
    control = sandboxes + "/" + made.path("name").asText();
  }

  /** Stops the clock. */
  public void freeze() {
    send("PATCH", control + "/clock", Map.of("frozen", true));
  }

  /** Moves the clock on, by as much as "90s" or "1h30m". */
  public void advance(String by) {
    send("PATCH", control + "/clock", Map.of("advance", by));
  }

  /** Has requests go wrong: Map.of("operation", "createUser", "api", "saymon", "status", 503). */
  public void fault(Map<String, Object> rule) {
    send("POST", control + "/faults", rule);
  }

  /** Fails unless these were sent, in this order: Map.of("operation", "createUser", "exactly", 1). */
  public void assertSent(Map<?, ?>... expected) {
    JsonNode verdict =
        send("POST", control + "/journal/assert", Map.of("ordered", true, "requests", List.of(expected)));
    assertTrue(verdict.path("met").asBoolean(), () -> verdict.path("requests").toPrettyString());
  }

  @Override
  public void close() {
    send("DELETE", control, null);
  }

  private static JsonNode send(String method, String url, Object body) {
    try {
      HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
      if (body == null) {
        request.method(method, BodyPublishers.noBody());
      } else {
        request.header("Content-Type", "application/json")
            .method(method, BodyPublishers.ofString(JSON.writeValueAsString(body)));
      }
      HttpResponse<String> answer = HTTP.send(request.build(), BodyHandlers.ofString());
      assertEquals(2, answer.statusCode() / 100, answer.body());
      return JSON.readTree(answer.body());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted", e);
    }
  }
}
