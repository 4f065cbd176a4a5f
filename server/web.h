/* SPDX-License-Identifier: BSD-3-Clause
 *
 * web - the HTTP port (server/http) as a part of the application.
 */
#ifndef STET_SERVER_WEB_H
#define STET_SERVER_WEB_H

struct app;
struct err;

/* Makes the port and its step of a turn; listens nowhere yet. */
void web_build(struct app *a);

/* -1: logged. */
int web_listen(struct app *a);

#endif
