// SPDX-License-Identifier: BSD-3-Clause
package stet;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Starts a stet-server for tests, on a free port and in a temporary directory, and stops it. */
public final class Stet implements AutoCloseable {
    private static final String HOST = "127.0.0.1";
    private static final int START_S = 60;
    private static final int STOP_S = 10;
    private static final String[] PARTS = {"bin/stet-server", "lib/libisal.so.2", "lib/liblzf.so.1"};

    private final Process process;
    private final Path dir;
    private final int port;
    private final Thread atExit = new Thread(this::end);
    private Connection connection;

    private Stet(Process process, Path dir, int port) {
        this.process = process;
        this.dir = dir;
        this.port = port;
        Runtime.getRuntime().addShutdownHook(atExit);
    }

    /** The options are words of the command line: start("--maxmemory", "10mb"). */
    public static Stet start(String... options) {
        Path dir = null;
        Process process = null;
        try {
            dir = Files.createTempDirectory("stet-");
            File said = dir.resolve("said").toFile();
            process = new ProcessBuilder(commandLine(dir, options)).directory(dir.toFile())
                .redirectInput(new File("/dev/null")).redirectOutput(said).redirectErrorStream(true).start();
            return new Stet(process, dir, waitReady(process, dir));
        } catch (IOException | RuntimeException e) {
            if (process != null) {
                process.destroyForcibly();
            }
            remove(dir);
            throw e instanceof IOException ? new UncheckedIOException((IOException) e) : (RuntimeException) e;
        }
    }

    private static List<String> commandLine(Path dir, String... options) throws IOException {
        List<String> words = new ArrayList<>(List.of(binary(dir), "--bind", HOST, "--port", "auto", "--port-file",
            dir.resolve("port").toString(), "--logfile", dir.resolve("server.log").toString(), "--dir", dir.toString(),
            "--save", "", "--appendonly", "no", "--enable-test-commands", "local", "--exit-with-parent", "yes"));
        words.addAll(List.of(options));
        return words;
    }

    /** STET_BINARY, else the program in this jar, written below the directory. */
    private static String binary(Path dir) throws IOException {
        String given = System.getenv("STET_BINARY");
        if (given != null && !given.isEmpty()) {
            return given;
        }
        String from = "/stet/" + System.getProperty("os.name").toLowerCase() + "-"
            + System.getProperty("os.arch").replace("amd64", "x86_64") + "/";
        for (String part : PARTS) {
            Path to = dir.resolve("program").resolve(part);
            try (InputStream in = Stet.class.getResourceAsStream(from + part)) {
                if (in == null) {
                    throw new IllegalStateException("stet: this jar has no program for " + from
                        + ". Set STET_BINARY to the path of a stet-server.");
                }
                Files.createDirectories(to.getParent());
                Files.copy(in, to);
                to.toFile().setExecutable(true);
            }
        }
        return dir.resolve("program").resolve(PARTS[0]).toString();
    }

    /** The port, once the server has written it: then it serves. */
    private static int waitReady(Process process, Path dir) throws IOException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
        while (System.nanoTime() < until) {
            String port = text(dir.resolve("port"));
            if (port.endsWith("\n")) {
                return Integer.parseInt(port.trim());
            }
            try {
                if (process.waitFor(1, TimeUnit.MILLISECONDS)) {
                    throw new IllegalStateException("stet: the server has ended with " + process.exitValue() + ":\n"
                        + text(dir.resolve("said")) + text(dir.resolve("server.log")));
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("stet: interrupted", e);
            }
        }
        throw new IllegalStateException("stet: the server did not serve within " + START_S + " s");
    }

    private static String text(Path path) throws IOException {
        return Files.exists(path) ? Files.readString(path) : "";
    }

    public String host() {
        return HOST;
    }

    public int port() {
        return port;
    }

    public String url() {
        return "redis://" + HOST + ":" + port;
    }

    public long pid() {
        return process.pid();
    }

    /** Sends any command. */
    public synchronized Object call(Object... words) {
        if (connection == null) {
            connection = new Connection(HOST, port);
        }
        try {
            return connection.call(words);
        } catch (UncheckedIOException e) {
            connection = null;
            throw e;
        }
    }

    /** Sends a TEST command: test("CLOCK", "ADVANCE", 1000). */
    public Object test(Object... words) {
        Object[] all = new Object[words.length + 1];
        all[0] = "TEST";
        System.arraycopy(words, 0, all, 1, words.length);
        return call(all);
    }

    /** Sends TEST RESET: as after the start. */
    public void reset() {
        test("RESET");
    }

    /** Ends the server and removes its directory. */
    @Override
    public void close() {
        Runtime.getRuntime().removeShutdownHook(atExit);
        if (connection != null) {
            connection.close();
        }
        end();
    }

    private void end() {
        process.destroy();
        try {
            if (!process.waitFor(STOP_S, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        remove(dir);
    }

    private static void remove(Path dir) {
        if (dir == null) {
            return;
        }
        try (Stream<Path> paths = Files.walk(dir)) {
            paths.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
