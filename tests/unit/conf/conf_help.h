/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_help - what the tests of conf/ share.
 *
 * Each test runs in a process of its own, so the working directory may be changed freely.
 */
#ifndef STET_TEST_CONF_HELP_H
#define STET_TEST_CONF_HELP_H

#include "conf/conf.h"

/* Makes a temporary directory, removed at the end of the test, and goes there. */
void help_in_tmp(void);
void help_write(const char *name, const char *text);
const char *help_read(const char *name);

/* A conf loaded from a text or from a command line ("a b c": split at blanks, "_" an empty word).
 * The test fails if it does not load. */
struct conf *help_text(const char *text);
struct conf *help_args(const char *words);

/* What conf_report_error() prints for a configuration, without the block's first two lines, lines
 * joined by " | "; "" if it loads. */
const char *help_text_error(const char *text);
const char *help_args_error(const char *words);

/* CONFIG GET of one name: the value, or NULL. */
const char *help_get(const struct conf *c, const char *name);

/* CONFIG SET of pairs, the last argument NULL: "OK" or the error's text. */
const char *help_set(struct conf *c, ...);

#endif
