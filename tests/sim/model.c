/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include "protocol/encode.h"
#include "storage/base/hash.h"
#include "storage/base/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_MAX = 64 * 1024 };

uint64_t model_print(const struct model *m) {
    uint64_t h = hash_keyed(1, 2, m->value, sizeof m->value);

    return hash_keyed(3, h, m->counter, sizeof m->counter);
}

void model_show(const struct model *m, struct bytes *out) {
    for (int db = 0; db < MODEL_DBS; db++)
        for (int k = 0; k < MODEL_KEYS; k++)
            if (m->value[db][k].serial)
                bytes_printf(out, " %d:k%d=%llu(%llu)", db, k,
                             (unsigned long long)m->value[db][k].serial,
                             (unsigned long long)m->value[db][k].n);
    for (int c = 0; c < MODEL_COUNTERS; c++)
        if (m->counter[c]) bytes_printf(out, " c%d=%lld", c, (long long)m->counter[c]);
}

/* ---------------------------------------------------------------- values */

static size_t value_text(char *out, struct value v) {
    size_t n = (size_t)snprintf(out, 32, "%llu.", (unsigned long long)v.serial);

    if (n < v.n) memset(out + n, 'a' + (int)(v.serial % 26), v.n - n);
    return n < v.n ? v.n : n;
}

/* False: no write ever made this value. */
static bool value_parse(struct slice s, struct value *v) {
    static char want[VALUE_MAX];
    const char *dot = memchr(s.p, '.', s.n);
    int64_t serial;

    if (!dot || s.n > sizeof want) return false;
    if (!num_parse_i64(s.p, (size_t)(dot - s.p), &serial) || serial <= 0) return false;
    v->serial = (uint64_t)serial;
    v->n = s.n;
    return value_text(want, *v) == s.n && memcmp(want, s.p, s.n) == 0;
}

static void put_words(struct bytes *resp, size_t n, const char *const *word) {
    struct slice argv[4];

    for (size_t i = 0; i < n; i++) argv[i] = slice_of(word[i], strlen(word[i]));
    encode_command(resp, n, argv);
}

void model_set(struct model *m, int db, int key, uint64_t serial, uint32_t n, struct bytes *resp) {
    static char text[VALUE_MAX];
    char name[8];
    struct value v = {serial, n};
    struct slice argv[3];

    snprintf(name, sizeof name, "k%d", key);
    v.n = value_text(text, v);
    m->value[db][key] = v;
    argv[0] = slice_of("SET", 3);
    argv[1] = slice_of(name, strlen(name));
    argv[2] = slice_of(text, v.n);
    encode_command(resp, 3, argv);
}

void model_del(struct model *m, int db, int key, struct bytes *resp) {
    char name[8];

    snprintf(name, sizeof name, "k%d", key);
    m->value[db][key] = (struct value){0};
    put_words(resp, 2, (const char *const[]){"DEL", name});
}

void model_incr(struct model *m, int counter, struct bytes *resp) {
    char name[8];

    snprintf(name, sizeof name, "c%d", counter);
    m->counter[counter]++;
    put_words(resp, 2, (const char *const[]){"INCR", name});
}

static void clear(struct model *m) {
    int selected = m->selected;

    *m = (struct model){.selected = selected};
}

void model_flush(struct model *m, struct bytes *resp) {
    clear(m);
    put_words(resp, 1, (const char *const[]){"FLUSHALL"});
}

/* ---------------------------------------------------------------- replay */

static int key_number(struct slice s, char kind, int below) {
    int64_t n;

    if (s.n < 2 || s.p[0] != kind || !num_parse_i64(s.p + 1, s.n - 1, &n)) return -1;
    return n >= 0 && n < below ? (int)n : -1;
}

static int replay_set(struct model *m, const struct slice *argv, struct err *e) {
    int k = key_number(argv[1], 'k', MODEL_KEYS), c = key_number(argv[1], 'c', MODEL_COUNTERS);
    struct value v;

    if (c >= 0 && num_parse_i64(argv[2].p, argv[2].n, &m->counter[c])) return 0;
    if (k < 0 || !value_parse(argv[2], &v))
        return err_set(e, EINVAL, "SET of a value that no client wrote");
    m->value[m->selected][k] = v;
    return 0;
}

int model_replay(struct model *m, size_t argc, const struct slice *argv, struct err *e) {
    int64_t n;
    int k;

    if (slice_is(argv[0], "multi") || slice_is(argv[0], "exec")) return 0;
    if (slice_is(argv[0], "flushall")) {
        clear(m);
    } else if (slice_is(argv[0], "select") && argc == 2 &&
               num_parse_i64(argv[1].p, argv[1].n, &n) && n >= 0 && n < MODEL_DBS) {
        m->selected = (int)n;
    } else if (slice_is(argv[0], "set") && argc == 3) {
        return replay_set(m, argv, e);
    } else if (slice_is(argv[0], "del") && argc == 2 &&
               (k = key_number(argv[1], 'k', MODEL_KEYS)) >= 0) {
        m->value[m->selected][k] = (struct value){0};
    } else if (slice_is(argv[0], "incr") && argc == 2 &&
               (k = key_number(argv[1], 'c', MODEL_COUNTERS)) >= 0) {
        m->counter[k]++;
    } else {
        return err_set(e, EINVAL, "a command that no client sent: '%.*s'", (int)argv[0].n,
                       argv[0].p);
    }
    return 0;
}

/* ---------------------------------------------------------------- the keyspace */

static void store(struct keyspace *ks, int db, const char *name, const char *text, size_t n) {
    struct slice key = slice_of(name, strlen(name));

    db_set_string(&ks->dbs[db], key, hash_bytes(key.p, key.n), NULL, slice_of(text, n),
                  ENTRY_NO_EXPIRE, 0);
}

void model_fill(const struct model *m, struct keyspace *ks) {
    static char text[VALUE_MAX];
    char name[8];

    for (int db = 0; db < MODEL_DBS; db++) db_clear(&ks->dbs[db], false);
    for (int db = 0; db < MODEL_DBS; db++) {
        for (int k = 0; k < MODEL_KEYS; k++) {
            if (!m->value[db][k].serial) continue;
            snprintf(name, sizeof name, "k%d", k);
            store(ks, db, name, text, value_text(text, m->value[db][k]));
        }
    }
    for (int c = 0; c < MODEL_COUNTERS; c++) {
        if (!m->counter[c]) continue;
        snprintf(name, sizeof name, "c%d", c);
        store(ks, 0, name, text,
              (size_t)snprintf(text, sizeof text, "%lld", (long long)m->counter[c]));
    }
}

static int take_one(struct model *m, const struct keyspace *ks, const char *name, struct err *e) {
    struct slice key = slice_of(name, strlen(name)), argv[3] = {SLICE("SET"), key};
    const struct entry *found = db_find(&ks->dbs[m->selected], key, hash_bytes(key.p, key.n));

    if (!found) return 0;
    argv[2] = entry_string(found);
    return replay_set(m, argv, e);
}

int model_take(struct model *m, const struct keyspace *ks, struct err *e) {
    size_t known = 0;
    char name[8];

    for (m->selected = 0; m->selected < MODEL_DBS; m->selected++) {
        for (int k = 0; k < MODEL_KEYS + MODEL_COUNTERS; k++) {
            snprintf(name, sizeof name, k < MODEL_KEYS ? "k%d" : "c%d",
                     k < MODEL_KEYS ? k : k - MODEL_KEYS);
            if (take_one(m, ks, name, e) < 0) return -1;
        }
    }
    m->selected = 0;
    for (int db = 0; db < MODEL_DBS; db++)
        for (int k = 0; k < MODEL_KEYS; k++) known += m->value[db][k].serial > 0;
    for (int c = 0; c < MODEL_COUNTERS; c++) known += m->counter[c] > 0;
    if (known == keyspace_count(ks)) return 0;
    return err_set(e, EINVAL, "an RDB with keys that no client wrote");
}
