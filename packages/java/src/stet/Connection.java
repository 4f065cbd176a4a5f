// SPDX-License-Identifier: BSD-3-Clause
package stet;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Sends commands and gets RESP2 replies: what the TEST commands need, without another library. */
public final class Connection implements AutoCloseable {
    private final Socket socket;
    private final InputStream in;

    public Connection(String host, int port) {
        try {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            in = new BufferedInputStream(socket.getInputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The reply: a String, a Long, null or a List of these. An error reply throws a ReplyException. */
    public synchronized Object call(Object... words) {
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            out.write(ascii("*" + words.length + "\r\n"));
            for (Object word : words) {
                byte[] data = word instanceof byte[] ? (byte[]) word : word.toString().getBytes(StandardCharsets.UTF_8);
                out.write(ascii("$" + data.length + "\r\n"));
                out.write(data);
                out.write(ascii("\r\n"));
            }
            socket.getOutputStream().write(out.toByteArray());
            Object reply = read();
            if (reply instanceof ReplyException) {
                throw new ReplyException(((ReplyException) reply).getMessage());
            }
            return reply;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int c;
        while ((c = in.read()) != '\r') {
            if (c < 0) {
                throw new EOFException("stet: the server has closed the connection");
            }
            line.write(c);
        }
        in.read();
        return line.toString(StandardCharsets.UTF_8);
    }

    private Object read() throws IOException {
        String line = line();
        String text = line.isEmpty() ? "" : line.substring(1);
        switch (line.isEmpty() ? 0 : line.charAt(0)) {
        case '+': return text;
        case '-': return new ReplyException(text);
        case ':': return Long.valueOf(text);
        case '$': return text.equals("-1") ? null : bulk(Integer.parseInt(text));
        case '*': return text.equals("-1") ? null : array(Integer.parseInt(text));
        default: throw new IOException("stet: not a RESP2 reply: " + line);
        }
    }

    private String bulk(int size) throws IOException {
        byte[] data = in.readNBytes(size + 2);
        if (data.length < size + 2) {
            throw new EOFException("stet: the server has closed the connection");
        }
        return new String(data, 0, size, StandardCharsets.UTF_8);
    }

    private List<Object> array(int size) throws IOException {
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            items.add(read());
        }
        return items;
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
