// SPDX-License-Identifier: BSD-3-Clause
package stet;

import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * For JUnit 5: {@code @ExtendWith(StetExtension.class)}. One server for the run, reset before each test; a parameter
 * of type Stet is the server.
 */
public final class StetExtension implements BeforeEachCallback, ParameterResolver {
    private static Stet shared;

    /** The server of this process; it ends with it. */
    public static synchronized Stet shared() {
        if (shared == null) {
            shared = Stet.start();
        }
        return shared;
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        shared().reset();
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        return parameter.getParameter().getType() == Stet.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        return shared();
    }
}
