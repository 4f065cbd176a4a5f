/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/unloaded.h"

#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "persistence/aof_survey.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <fcntl.h>
#include <string.h>

struct survey {
    const struct conf_values *v;
    bool own; /* the append-only file of this configuration is there */
};

static void look_for_own(void *arg, const char *filename, uint64_t bytes) {
    struct survey *s = arg;

    (void)bytes;
    s->own |= strcmp(filename, s->v->appendfilename) == 0;
}

/* Two servers may share a directory under two names: another name counts only where this server
 * would start empty. */
static void warn(void *arg, const char *filename, uint64_t bytes) {
    const struct survey *s = arg;
    const struct conf_values *v = s->v;
    bool other = strcmp(filename, v->appendfilename) != 0;

    if (v->appendonly && other && !s->own)
        log_warning(
            "Directory '%s' also holds the append only file '%s' (%llu bytes), which is not "
            "loaded: 'appendfilename' is '%s'",
            v->appenddirname, filename, (unsigned long long)bytes, v->appendfilename);
    if (!v->appendonly)
        log_warning("Directory '%s' holds the append only file '%s' (%llu bytes), which is not "
                    "loaded: 'appendonly' is 'no'. To load it, start with: --appendonly yes%s%s",
                    v->appenddirname, filename, (unsigned long long)bytes,
                    other ? " --appendfilename " : "", other ? filename : "");
}

/* The single file of Redis before 7. */
static void warn_of_single_file(const struct conf_values *v) {
    struct io_stat st;

    if (v->appendonly || io_stat(AT_FDCWD, v->appendfilename, &st) < 0 || st.is_dir) return;
    log_warning(
        "The append only file '%s' (%llu bytes) is not loaded: 'appendonly' is 'no'. To load "
        "it, start with: --appendonly yes",
        v->appendfilename, (unsigned long long)st.size);
}

void unloaded_warn(const struct conf_values *v) {
    struct survey s = {.v = v};

    aof_survey(v->appenddirname, look_for_own, &s);
    aof_survey(v->appenddirname, warn, &s);
    warn_of_single_file(v);
}

void unloaded_warn_of_cut_rewrite(const char *path) {
    struct bytes copy = {0};

    if (path && path[0] && io_rewrite_was_cut(path, &copy))
        log_warning("'%s' was being rewritten in place when a server ended, and may be a mixture. "
                    "Its contents of before are in '%s': compare them, then delete that file",
                    path, copy.p);
    bytes_release(&copy);
}

struct backups {
    const struct conf_values *v;
    struct aof *a;
};

static void look_at_backup(void *arg, const struct aof_backup_entry *b) {
    const struct backups *k = arg;
    const char *dir = k->v->backup_dir;

    if (b->sealed) {
        aof_backup_note_last(k->a, dir, b);
        return;
    }
    log_warning("Backup '%s%s%s/%s.partial' (%llu bytes) was never sealed and is of no use. To "
                "remove it: BACKUP CLEANUP %s",
                dir[0] == '/' ? "" : k->v->dir.path, dir[0] == '/' ? "" : "/", dir, b->id,
                (unsigned long long)b->bytes, b->id);
}

void unloaded_look_at_backups(const struct conf_values *v, struct aof *a) {
    struct backups k = {v, a};

    if (v->backup_dir) aof_backup_survey(v->backup_dir, look_at_backup, &k);
}
