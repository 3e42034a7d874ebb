import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.lucidworks.spark.fusion.FusionPipelineClient;
import java.util.ArrayList;
import java.util.List;
import org.apache.http.client.methods.HttpDelete;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.methods.HttpPatch;
import org.apache.http.client.methods.HttpUriRequest;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.StringEntity;
import org.apache.http.util.EntityUtils;

/** Drives the Fusion client of Lucidworks' connector for Spark: sessions, cookies, Basic. */
class FusionClient {
  static final String USER = "fe0885f2-8885-4c46-a3ea-8e5d0041c293";
  static boolean failed;

  interface Check {
    void run() throws Exception;
  }

  static void step(String name, Check check) {
    try {
      check.run();
      System.out.println("ok    spark-solr, " + name);
    } catch (Throwable e) {
      failed = true;
      System.out.println("FAIL  spark-solr, " + name + ": " + e);
    }
  }

  static void equal(Object got, Object wanted) {
    if (!wanted.equals(got)) throw new AssertionError("wanted " + wanted + ", got " + got);
  }

  static String text(FusionPipelineClient client, HttpUriRequest request) throws Exception {
    return EntityUtils.toString(client.sendRequestToFusion(request));
  }

  static JsonNode json(FusionPipelineClient client, HttpUriRequest request) throws Exception {
    return new ObjectMapper().readTree(text(client, request));
  }

  static void fails(Check check, String part) throws Exception {
    try {
      check.run();
    } catch (Exception e) {
      if (String.valueOf(e.getMessage()).contains(part)) return;
      throw e;
    }
    throw new AssertionError("no error, wanted " + part);
  }

  static HttpPatch password(String api, String from, String to) {
    HttpPatch patch = new HttpPatch(api + "/users/" + USER);
    patch.setEntity(
        new StringEntity(
            String.format(
                "{\"currentPassword\":\"%s\",\"password\":\"%s\",\"passwordConfirm\":\"%s\"}",
                from, to, to),
            ContentType.APPLICATION_JSON));
    return patch;
  }

  public static void main(String[] args) {
    String url = args[0];
    String api = url + "/api";

    step(
        "a session is made of name, password and realm, and lists the users",
        () -> {
          var client = new FusionPipelineClient(url, "admin", "Fusion4dmin", "native");
          List<String> names = new ArrayList<>();
          json(client, new HttpGet(api + "/users")).forEach(u -> names.add(u.get("username").asText()));
          if (!names.contains("admin")) throw new AssertionError(names);
        });
    step(
        "the session says who the user is, and which roles count",
        () -> {
          var client = new FusionPipelineClient(url, "admin", "Fusion4dmin", "native");
          JsonNode session = json(client, new HttpGet(api + "/session"));
          equal(session.at("/user/username").asText(), "admin");
          equal(session.at("/roles/0/name").asText(), "admin");
        });
    step(
        "a session that has ended is made anew unasked",
        () -> {
          var client = new FusionPipelineClient(url, "admin", "Fusion4dmin", "native");
          client.sendRequestToFusion(new HttpDelete(api + "/session"));
          equal(json(client, new HttpGet(api + "/session")).at("/user/username").asText(), "admin");
        });
    step(
        "HTTP Basic when no realm is given",
        () -> {
          var client = new FusionPipelineClient(url, "admin", "Fusion4dmin", null);
          JsonNode user = json(client, new HttpGet(api + "/users/" + USER));
          equal(user.get("username").asText(), "1new-user-test");
        });
    step(
        "a wrong password and an unknown realm make no session",
        () -> {
          fails(() -> new FusionPipelineClient(url, "admin", "wrong", "native"), "401");
          fails(() -> new FusionPipelineClient(url, "admin", "Fusion4dmin", "nosuch"), "401");
        });
    step(
        "a user changes the own password, the old one makes no session",
        () -> {
          var client = new FusionPipelineClient(url, "1new-user-test", "password123", "native");
          JsonNode user = json(client, password(api, "password123", "password456"));
          equal(user.get("id").asText(), USER);
          fails(() -> new FusionPipelineClient(url, "1new-user-test", "password123", "native"), "401");
          new FusionPipelineClient(url, "1new-user-test", "password456", "native");
        });
    step(
        "a user without the right hears which one",
        () -> {
          var client = new FusionPipelineClient(url, "1new-user-test", "password456", "native");
          fails(() -> text(client, new HttpGet(api + "/users")), "Not permitted: GET /users");
        });
    if (failed) System.exit(1);
  }
}
