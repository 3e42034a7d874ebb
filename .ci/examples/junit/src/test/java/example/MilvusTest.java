package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(UsherExtension.class)
class MilvusTest {
  private Milvus root;
  private Milvus claire;

  @BeforeEach
  void createClaire(Sandbox sandbox) throws Exception {
    root = new Milvus(sandbox.url, "root", "Milvus");
    claire = new Milvus(sandbox.url, "claire", "P@ssw0rd1");
    succeed("users/create", Map.of("userName", "claire", "password", "P@ssw0rd1"));
  }

  private void succeed(String path, Map<String, String> body) throws Exception {
    assertEquals(0, root.call(path, body).path("code").asInt());
  }

  @Test
  void afterAPasswordChangeTheOldOneFails() throws Exception {
    assertTrue(claire.changePassword("P@ssw0rd2").works());
    assertFalse(claire.works());
  }

  @Test
  void aPasswordThatIsTooShortIsRefused() throws Exception {
    assertThrows(IllegalArgumentException.class, () -> claire.changePassword("short"));
    assertTrue(claire.works());
  }

  @Test
  void aUserMayDoWhatARoleLetsThem() throws Exception {
    assertFalse(claire.call("users/list", Map.of()).has("data"));
    succeed("roles/create", Map.of("roleName", "lister"));
    succeed("roles/grant_privilege_v2",
        Map.of("roleName", "lister", "privilege", "SelectOwnership", "dbName", "*", "collectionName", "*"));
    succeed("users/grant_role", Map.of("userName", "claire", "roleName", "lister"));
    assertEquals("claire", claire.call("users/list", Map.of()).at("/data/0").asText());
  }

  @Test
  void aChangeWhoseAnswerIsLostIsFoundOut(Sandbox sandbox) throws Exception {
    sandbox.fault(Map.of("api", "milvus", "operation", "updatePassword", "cut", "after", "first", 1));
    assertTrue(claire.changePassword("P@ssw0rd2").works());
    sandbox.assertSent(Map.of("operation", "updatePassword", "exactly", 2));
  }

  @Test
  void theClientGivesUpInTheEnd(Sandbox sandbox) {
    sandbox.fault(Map.of("api", "milvus", "operation", "updatePassword", "cut", "before"));
    assertThrows(IOException.class, () -> claire.changePassword("P@ssw0rd2"));
    sandbox.assertSent(Map.of("operation", "updatePassword", "atLeast", 3));
  }
}
