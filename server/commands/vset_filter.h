/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_filter - the expressions of VSIM FILTER, over the attributes of an element.
 *
 * An expression is compiled once, to a postfix program, and run for each element. Operators, the
 * loosest first: or || | and && | in == != > >= < <= | + - | * / % | ** (from the right) | not !.
 * Operands: numbers, texts in either quotes, lists [1, "a"], and .name, which is a member of the
 * element's attribute, a JSON object. An element without that member, or whose member is null or an
 * object, does not match, whatever the rest of the expression says.
 *
 * Neither compiling nor running recurses over parentheses: memory and steps are bounded by the
 * length of the expression. Lists of an attribute are read to a depth of FILTER_DEPTH.
 */
#ifndef STET_COMMANDS_VSET_FILTER_H
#define STET_COMMANDS_VSET_FILTER_H

#include "storage/base/bytes.h"
#include "storage/base/pace.h"

struct vset_filter;

/* The text must stay as long as the program. NULL: *bad is where in the text the error is. */
struct vset_filter *vset_filter_compile(struct slice text, size_t *bad);
void vset_filter_free(struct vset_filter *f);

/* What a run costs: the number of its instructions. */
size_t vset_filter_cost(const struct vset_filter *f);

/* Whether an element with this attribute matches. `pace` is told of the attribute's bytes each time
 * that a member is looked for. */
bool vset_filter_matches(struct vset_filter *f, struct slice attr, const struct pace *pace);

#endif
