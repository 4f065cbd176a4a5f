/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_rewrite - CONFIG REWRITE.
 */
#include "conf/conf_impl.h"

int conf_rewrite(struct conf *c, struct err *e) {
    if (!c->path)
        return err_set(e, CONF_ERR_NO_FILE, "The server is running without a config file");
    return err_set(e, CONF_ERR_REWRITE, "Rewriting config file: not yet");
}
