// SPDX-License-Identifier: BSD-3-Clause
package stet;

/** The server answered with an error. */
public final class ReplyException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public ReplyException(String text) {
        super(text);
    }
}
