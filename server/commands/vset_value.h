/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_value - the values of filter expressions, and how they are read from JSON.
 */
#ifndef STET_COMMANDS_VSET_VALUE_H
#define STET_COMMANDS_VSET_VALUE_H

#include "storage/base/bytes.h"

enum { FILTER_DEPTH = 32 };

enum value_kind { VALUE_NONE, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST };

struct value {
    enum value_kind kind;
    double number;
    struct slice text; /* VALUE_TEXT; points into an attribute, an expression, or `texts` */
    size_t first, n;   /* VALUE_LIST: in `items` */
};

/* What lists and unescaped texts are kept in. */
struct value_store {
    struct value *items;
    size_t n, cap;
    char **texts;
    size_t ntexts, cap_texts;
};

/* Gives up what was added after the first `keep` items, and all texts. */
void value_store_reset(struct value_store *s, size_t keep);
void value_store_release(struct value_store *s);
void value_store_add(struct value_store *s, struct value v);

/* A member of the JSON object `json`; VALUE_NONE: it is not there, null, an object, or what comes
 * before it is no JSON. */
struct value value_member(struct value_store *s, struct slice json, struct slice name);

double value_number(struct value v); /* of a text that is none, and of a list: 0 */
bool value_is_true(struct value v);
bool value_equal(struct value a, struct value b);

#endif
