package journeys;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Runs the journeys against the server at the address given: one line a step, and "ok" when one is
 * over.
 */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    Map<String, Journey> journeys = new LinkedHashMap<>();
    journeys.put("fusion", Fusion::journey);
    journeys.put("applivery", Applivery::journey);
    journeys.put("saymon", Saymon::journey);
    journeys.put("milvus", Milvus::journey);
    journeys.put("usher", Usher::journey);
    boolean failed = false;
    for (Map.Entry<String, Journey> journey : journeys.entrySet()) {
      String name = journey.getKey();
      try {
        journey.getValue().go(args[0], did -> System.out.println("      " + name + ": " + did));
        System.out.println("ok    Java, " + name);
      } catch (Exception e) {
        System.out.println("FAIL  Java, " + name + ": " + e);
        e.printStackTrace();
        failed = true;
      }
    }
    System.exit(failed ? 1 : 0);
  }
}
