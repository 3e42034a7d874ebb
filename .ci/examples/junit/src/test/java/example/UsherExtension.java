package example;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * usher for JUnit: one server for all tests, and a {@link Sandbox} for each that has one among
 * its parameters. Copy this file and Sandbox.java.
 */
public final class UsherExtension implements ParameterResolver {
  private static final Namespace NAMESPACE = Namespace.create(UsherExtension.class);

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == Sandbox.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Server server =
        context.getRoot().getStore(NAMESPACE)
            .getOrComputeIfAbsent(Server.class, key -> new Server(), Server.class);
    // What is in a store and can be closed is closed with it: a sandbox after its test.
    return context.getStore(NAMESPACE)
        .getOrComputeIfAbsent(Sandbox.class, key -> new Sandbox(server.url), Sandbox.class);
  }

  /** A server that runs as long as the tests do. */
  private static final class Server implements AutoCloseable {
    private final Path folder;
    private final Process process;
    private final String url;

    private Server() {
      try {
        folder = Files.createTempDirectory("usher");
        Path ready = folder.resolve("ready.json");
        Path log = folder.resolve("log");
        process =
            new ProcessBuilder(Objects.requireNonNullElse(System.getenv("USHER"), "usher"),
                    "serve", "--demo", "--listen", "127.0.0.1:0", "--ready-file", ready.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(log.toFile())
                .start();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!Files.exists(ready)) {
          if (process.waitFor(10, TimeUnit.MILLISECONDS) || System.nanoTime() > deadline) {
            process.destroy();
            throw new IllegalStateException("usher did not start: " + Files.readString(log));
          }
        }
        url = new ObjectMapper().readTree(ready.toFile()).at("/urls/all").asText();
      } catch (IOException e) {
        throw new IllegalStateException("usher did not start", e);
      } catch (InterruptedException e) {
        throw new IllegalStateException("interrupted", e);
      }
    }

    @Override
    public void close() throws IOException {
      process.destroy();
      process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
      Files.delete(folder.resolve("log"));
      Files.delete(folder);
    }
  }
}
