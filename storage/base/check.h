/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check - assertions for our own bugs.
 *
 * CHECK stays on in release builds: it names the place, runs the state dump that the application
 * registered, and aborts. DCHECK is for conditions that cost something to look at; it is compiled
 * in only with -DSTET_DCHECK (the sanitizer flavours). Any thread.
 */
#ifndef STET_BASE_CHECK_H
#define STET_BASE_CHECK_H

#define CHECK(x) (__builtin_expect(!(x), 0) ? check_fail(__FILE__, __LINE__, #x) : (void)0)

#ifdef STET_DCHECK
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x) ((void)sizeof(x))
#endif

typedef void (*check_dump_fn)(const char *file, int line, const char *what);

/* Registers what to run before the abort (a crash report). NULL takes it back. */
void check_set_dump(check_dump_fn fn);

_Noreturn void check_fail(const char *file, int line, const char *what);

#endif
