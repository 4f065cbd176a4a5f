/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/history.h"

#include "storage/base/num.h"

#include <stdio.h>
#include <string.h>

static bool shares(const struct repl_stream *s, size_t i) {
    return s->past[i].end >= s->data_end && s->data_db != STREAM_DB_UNKNOWN;
}

bool history_is_useful(const struct repl_stream *s) {
    if (!s->active) return false;
    if (s->data_end < s->offset) return true;
    for (size_t i = 0; i < s->npasts; i++)
        if (shares(s, i)) return true;
    return false;
}

void history_put(const struct repl_stream *s, char out[HISTORY_MAX]) {
    int n = snprintf(out, HISTORY_MAX, "%llu,%s", (unsigned long long)s->data_end, s->id);

    for (size_t i = 0; i < s->npasts; i++)
        if (shares(s, i)) n += snprintf(out + n, (size_t)(HISTORY_MAX - n), ",%s", s->past[i].id);
}

bool history_find(const struct repl_stream *s, const char *said, struct history_match *m) {
    const char *p = strchr(said, ',');
    bool found = false;
    int64_t at;

    if (!s->active || !p || !num_parse_i64(said, (size_t)(p - said), &at) || at < 0) return false;
    m->at = (uint64_t)at;
    for (; *p == ',' && strlen(p) > STREAM_ID_CHARS; p += 1 + STREAM_ID_CHARS) {
        char id[STREAM_ID_CHARS + 1];
        uint64_t end;

        snprintf(id, sizeof id, "%s", p + 1);
        if (!repl_stream_knows(s, id, &end) || (found && end <= m->end)) continue;
        memcpy(m->id, id, sizeof id);
        m->end = end;
        found = true;
    }
    return found;
}
