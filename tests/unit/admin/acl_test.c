/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the ACL takes from the rows of the real commands.
 */
#include "admin_help.h"
#include "server/exec/category.h"
#include "server/exec/keyspec.h"

#include <criterion/criterion.h>

/* Calls back for every command that can be called. */
static void each(struct help *h, void (*look)(const struct command_slot *s)) {
    for (unsigned i = 0; i < h->e.commands.n; i++) {
        const struct command_slot *top = &h->e.commands.slots[i];

        if (top->row->fn) look(top);
        for (unsigned k = 0; k < top->nsub; k++) look(&top->sub[k]);
    }
}

/* But for two that Redis lets readers use. */
static void writes_need_write_access(const struct command_slot *s) {
    struct keyspec specs[KEYSPECS_MAX];
    int n = keyspec_parse(s->row, specs);
    bool writes = n == 0 || !strcmp(s->name, "xreadgroup") || !strcmp(s->name, "pfdebug");

    for (int i = 0; i < n; i++)
        writes |=
            specs[i].flags & KEY_NOT_KEY || specs[i].flags & (KEY_UPDATE | KEY_INSERT | KEY_DELETE);
    if (s->row->flags & CMD_WRITE) cr_expect(writes, "%s writes with read access", s->name);
}

static void one_of_two_speeds(const struct command_slot *s) {
    uint32_t cats = command_categories(s);

    cr_expect_neq(!(cats & 1u << CAT_FAST), !(cats & 1u << CAT_SLOW), "%s", s->name);
}

/* A new command on channels must be added to acl_check. */
static void channels_are_known(const struct command_slot *s) {
    static const char known[] = " publish spublish subscribe ssubscribe psubscribe unsubscribe "
                                "sunsubscribe punsubscribe pubsub ";
    char name[64];

    snprintf(name, sizeof name, " %s ", (s->parent ? s->parent : s)->row->name);
    if (s->row->flags & CMD_PUBSUB) cr_expect(strstr(known, name), "%s", s->name);
}

Test(acl, rows_say_what_the_check_needs) {
    struct help *h = help_new(NULL);

    each(h, writes_need_write_access);
    each(h, one_of_two_speeds);
    each(h, channels_are_known);
    help_free(h);
}

Test(acl, a_call_is_tried_without_running_it) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "acl setuser u on nopass +get ~a"), "+OK|");
    cr_expect_str_eq(help_ask(&h->a, "acl dryrun u get a"), "+OK|");
    cr_expect_str_eq(help_ask(&h->a, "acl dryrun u get b"),
                     "$47|User u has no permissions to access the 'b' key|");
    help_free(h);
}
