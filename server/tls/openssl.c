/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tls/openssl.h"

#include <dlfcn.h>
#include <errno.h>

#define TEXT_OF(x)      #x
#define LIBRARY_NAME(n) "libssl.so." TEXT_OF(n)

struct openssl openssl;

static const struct {
    const char *name;
    size_t at; /* in struct openssl */
} functions[] = {
#define X(name) {#name, offsetof(struct openssl, name)},
    OPENSSL_FUNCTIONS(X)
#undef X
};

int openssl_load(struct err *e) {
    static const char name[] = LIBRARY_NAME(OPENSSL_SHLIB_VERSION);
    struct openssl found;
    void *library; /* stays: what was loaded is never given back */

    if (openssl.SSL_new) return 0;
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) return err_set(e, ENOENT, "cannot load OpenSSL: %s", dlerror());
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *f = dlsym(library, functions[i].name); /* libcrypto's are found as well */

        if (!f) return err_set(e, ENOENT, "'%s' has no '%s'", name, functions[i].name);
        memcpy((char *)&found + functions[i].at, &f, sizeof f);
    }
    openssl = found;
    return 0;
}
