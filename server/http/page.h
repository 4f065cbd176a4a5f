/* SPDX-License-Identifier: BSD-3-Clause
 *
 * page - the page at `/`: one look says whether the data is safe, the server fast, and full. Its
 * files are compiled in and need nothing from elsewhere; what they show comes from /events.
 */
#ifndef STET_HTTP_PAGE_H
#define STET_HTTP_PAGE_H

#include "server/http/http_impl.h"

bool page_answer_html(struct http_conn *c);
bool page_answer_css(struct http_conn *c);
bool page_answer_js(struct http_conn *c);
bool page_answer_icon(struct http_conn *c);
bool page_answer_admin(struct http_conn *c);

#endif
