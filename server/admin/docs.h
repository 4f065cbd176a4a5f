/* SPDX-License-Identifier: BSD-3-Clause
 *
 * docs - COMMAND DOCS: what a command is for, and its arguments.
 *
 * The notation of a row's `grammar`: arguments with blanks between them, each
 *
 *   name           a string; others: name:int  name:double  name:pattern  name:time (Unix time)
 *   name@0         a key, described by the row's key spec 0; name:pattern@1 a pattern of such
 *   NX             just this word (its name is "nx"); change=CH if the name is another one
 *   EX=seconds:int a word in front of an argument, of whatever kind
 *   name(a|b|c)    one of these
 *   name{a b c}    these one after the other
 *
 * and after it, in this order: + several of them, ++ several with the word each time; ^6.2.0 since
 * that version; 'ip:port' how to show it where that is not the name. [...] around an argument: may
 * be left out.
 *
 *   key@0 value [condition(NX|XX)^2.6.12] [expiration(EX=seconds:int|PX=milliseconds:int|KEEPTTL)]
 *
 * In front of all that may stand "!syscmd;" (internal), or "!2.6.12 `SET` with the `EX` argument;":
 * deprecated since that version, and what replaces it.
 */
#ifndef STET_ADMIN_DOCS_H
#define STET_ADMIN_DOCS_H

#include "protocol/reply.h"
#include "server/exec/command.h"

enum doc_type {
    DOC_STRING,
    DOC_INTEGER,
    DOC_DOUBLE,
    DOC_KEY,
    DOC_PATTERN,
    DOC_UNIX_TIME,
    DOC_PURE_TOKEN,
    DOC_ONEOF,
    DOC_BLOCK
};

enum doc_flags { DOC_OPTIONAL = 1, DOC_MULTIPLE = 2, DOC_MULTIPLE_TOKEN = 4 };

enum { DOC_NONE = -1 };

/* An argument; the links are indexes into doc.args, DOC_NONE for none. */
struct doc_arg {
    struct slice name, token, since, deprecated,
        display; /* n is 0 where there is none, but for has_token */
    bool has_token;
    enum doc_type type;
    unsigned flags;
    int key_spec; /* DOC_NONE */
    int child, next;
};

enum { DOC_ARGS_MAX = 64 };

struct doc {
    bool syscmd;
    struct slice deprecated_since, replaced_by; /* n is 0: not deprecated */
    struct doc_arg args[DOC_ARGS_MAX];
    int nargs;
    int first; /* of the top level */
};

/* Reads a grammar (NULL: no arguments). A malformed one is our bug. */
void doc_parse(const char *grammar, struct doc *out);

/* One entry of COMMAND DOCS: the command's name and what is to be said of it. */
void doc_reply(struct reply *r, const struct command_slot *s);

#endif
