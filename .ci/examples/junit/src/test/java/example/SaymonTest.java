package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

@ExtendWith(UsherExtension.class)
class SaymonTest {
  private Saymon admin;
  private Saymon claire;

  @BeforeEach
  void logIn(Sandbox sandbox) throws Exception {
    admin = new Saymon(sandbox.url);
    admin.logIn("admin", "saymon-admin");
    claire = new Saymon(sandbox.url);
  }

  private static void assertRefused(int status, Executable call) {
    assertEquals(status, assertThrows(Saymon.Refused.class, call).status);
  }

  @Test
  void aUserWhoIsCreatedGetsIn() throws Exception {
    String id = admin.create("claire", "qwerty-one");
    claire.logIn("claire", "qwerty-one");
    assertEquals(id, claire.current().path("id").asText());
  }

  @Test
  void afterAPasswordChangeTheOldOneFails() throws Exception {
    String id = admin.create("claire", "qwerty-one");
    claire.logIn("claire", "qwerty-one");
    claire.changePassword(id, "qwerty-one", "qwerty-two");
    claire.logIn("claire", "qwerty-two");
    assertRefused(401, () -> claire.logIn("claire", "qwerty-one"));
  }

  @Test
  void aSessionEndsAfterADayWithoutUse(Sandbox sandbox) throws Exception {
    sandbox.freeze();
    claire.logIn("Bob", "qwerty");
    sandbox.advance("23h59m59s");
    assertEquals("Bob", claire.current().path("login").asText());
    sandbox.advance("24h1s");
    assertRefused(401, claire::current);
  }

  @Test
  void theClientComesAgainWhenTheServerIsBusy(Sandbox sandbox) throws Exception {
    sandbox.fault(Map.of("api", "saymon", "operation", "createUser", "status", 503, "first", 2));
    admin.create("claire", "qwerty-one");
    sandbox.assertSent(
        Map.of("operation", "createUser", "status", 503, "exactly", 2),
        Map.of("operation", "createUser", "status", 200, "body", Map.of("login", "claire")));
  }

  @Test
  void theClientGivesUpInTheEnd(Sandbox sandbox) throws Exception {
    sandbox.fault(Map.of("api", "saymon", "operation", "createUser", "status", 503));
    assertRefused(503, () -> admin.create("claire", "qwerty-one"));
    sandbox.assertSent(Map.of("operation", "createUser", "exactly", 3));
  }
}
