/* SPDX-License-Identifier: BSD-3-Clause
 *
 * page - the files of the page, as they stand in server/http/page. The assembler takes them in, so
 * that there is no generator; the Makefile knows that page.o depends on them.
 */
#include "server/http/page.h"

#define TAKE_IN(name, file)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            "page_" name ": .incbin \"server/http/page/" file "\"\n"                               \
            "page_" name "_end:\n"                                                                 \
            ".popsection\n")

TAKE_IN("html", "index.html");
TAKE_IN("css", "page.css");
TAKE_IN("js", "page.js");
TAKE_IN("icon", "icon.svg");
TAKE_IN("admin", "admin.js");

extern const char page_html[], page_html_end[], page_css[], page_css_end[];
extern const char page_js[], page_js_end[], page_icon[], page_icon_end[];
extern const char page_admin[], page_admin_end[];

/* Nothing from elsewhere, no inline script, in no frame. */
#define POLICY                                                                                     \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "                    \
    "frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"

static bool answer(struct http_conn *c, const char *type, const char *from, const char *to) {
    http_head(c, 200, type);
    bytes_append_str(&c->out, POLICY);
    http_body(c, slice_of(from, (size_t)(to - from)));
    return true;
}

bool page_answer_html(struct http_conn *c) {
    return answer(c, "text/html; charset=utf-8", page_html, page_html_end);
}

bool page_answer_css(struct http_conn *c) {
    return answer(c, "text/css; charset=utf-8", page_css, page_css_end);
}

bool page_answer_js(struct http_conn *c) {
    return answer(c, "text/javascript; charset=utf-8", page_js, page_js_end);
}

bool page_answer_icon(struct http_conn *c) {
    return answer(c, "image/svg+xml", page_icon, page_icon_end);
}

bool page_answer_admin(struct http_conn *c) {
    return answer(c, "text/javascript; charset=utf-8", page_admin, page_admin_end);
}
