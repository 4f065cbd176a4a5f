/* SPDX-License-Identifier: BSD-3-Clause
 *
 * backup - what the parts of stet-backup share.
 *
 *   backup.c       command line, `list`, `restore`
 *   backup_look.c  opens a backup and checks what it is made of, `verify`
 *   backup_copy.c  `copy`
 *   backup_take.c  `take`: asks a server for a backup
 *
 * A backup is a sealed directory of BACKUP SEAL: a manifest, its files, AOF_SEAL. A copy has
 * BACKUP_SUMS besides: the SHA-256 of each file, as sha256sum(1) writes and checks them. What is
 * read is not trusted: names are those of a manifest that was checked, and every file is a regular
 * one that is no link.
 */
#ifndef STET_TOOLS_BACKUP_H
#define STET_TOOLS_BACKUP_H

#include "persistence/aof_backup.h"
#include "server/tls/tls.h"
#include "storage/base/progress.h"
#include "storage/base/sha256.h"

#define BACKUP_SUMS "SHA256SUMS"

enum { BACKUP_NAME_MAX = AOF_NAME_MAX + 16 };

struct backup {
    const char *path;
    char id[AOF_NAME_MAX]; /* the last part of the path */
    int dirfd;
    char stem[AOF_NAME_MAX]; /* appendfilename */
    char manifest[BACKUP_NAME_MAX];
    struct aof_manifest m; /* without history, if it is sealed */
    bool is_sealed;
    struct aof_seal seal;
    uint64_t bytes;            /* of the files of the manifest */
    int64_t first_ms, last_ms; /* moments that it restores; 0: the files do not say */
};

/* Opens it and checks the names, not the contents. To be closed in any case. -1: it is no AOF. */
int backup_open(struct backup *b, const char *path, struct err *e);
void backup_close(struct backup *b);

/* Printable ASCII only: names of a directory, or of a server, go to a terminal. */
bool backup_is_plain(const char *text);

/* Fills first_ms and last_ms: reads the last increment. */
void backup_find_moments(struct backup *b);

/* The files that a copy has, but for BACKUP_SUMS: NULL after the last. */
const char *backup_file(const struct backup *b, size_t i);

/* A regular file that is no link. -1: it is not, or it is not there. */
int backup_open_file(int dirfd, const char *name, struct err *e);

/* Reads every byte: the sums, if there are any (*has_sums), then each file's own checksums. */
int backup_verify(struct backup *b, bool *has_sums, struct err *e);

/* Copies it into the directory `to`, under the same name, and verifies the copy. */
int backup_copy(struct backup *b, const char *to, struct err *e);

/* Where a server is. */
struct backup_server {
    const char *host, *port, *socket, *user; /* socket NULL: host and port */
    const char *password;                    /* NULL: none */
    bool use_tls;
    struct tls_client tls;
};

/* BACKUP START and SEAL. `path` gets the backup's directory. */
int backup_take(const struct backup_server *s, char path[4096], struct err *e);

/* BACKUP CLEANUP of all sealed backups but the newest `keep`; prints each. */
int backup_thin(const struct backup_server *s, size_t keep, struct err *e);

#endif
