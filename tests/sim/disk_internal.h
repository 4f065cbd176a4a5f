/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disk_internal - the state of the simulated disk, for disk.c and disk_cut.c.
 */
#ifndef SIM_DISK_INTERNAL_H
#define SIM_DISK_INTERNAL_H

#include "dice.h"
#include "disk.h"

enum { SECTOR = 512, NAME_BYTES = 96, LOCKS = 4, INODES = 384, FILES = 256, FIRST_FD = 1000 };

struct content {
    char *p; /* zeros from n to cap */
    size_t n, cap;
};

struct name {
    char text[NAME_BYTES];
    int inode;
};

struct names {
    struct name *e;
    size_t n, cap;
};

struct inode {
    bool used, is_dir;
    struct content cache, durable;
    struct names names, durable_names; /* of a directory */
    unsigned failed_syncs;             /* counts them: each open file compares */
    int64_t changed_ms;
    struct {
        uint64_t byte;
        int process; /* 0: free */
    } lock[LOCKS];
};

enum change_kind { CHANGE_DATA, CHANGE_SIZE, CHANGE_NAMES };

struct change {
    enum change_kind kind;
    int inode;
    size_t at, n; /* CHANGE_DATA: whole sectors */
    char *data;
    size_t size; /* the file's after it; of CHANGE_DATA 0: it did not grow */
    struct {
        int dir, inode; /* inode 0: the name is removed */
        char text[NAME_BYTES];
    } set[2];
    int sets;
};

struct file {
    int inode, process, refs, flags;
    unsigned told; /* of so many failed syncs */
};

struct disk {
    struct inode inode[INODES]; /* [1] is the root; [0] none */
    int inodes;                 /* in use: below this */
    struct change **change;
    size_t changes, changes_cap;
    struct file file[FILES];
    struct {
        int file, process; /* file 0: free */
    } fd[FILES];
    struct dice dice, loss; /* times; what a cut or a failed sync keeps */
    const char *complaint;
};

extern struct disk *disk;
extern struct disk_options disk_options;

/* disk.c */
struct name *names_find(const struct names *d, const char *text);
void names_set(struct names *d, const char *text, int inode);
void content_resize(struct content *c, size_t n);
void content_copy(struct content *to, const struct content *from);
int links_of(int inode);

/* disk_cut.c */

void change_note_data(int inode, size_t at, size_t n, bool grew);
void change_note_size(int inode, size_t size);

/* One name of a directory, or two at once. `text2` may be NULL. */
void change_note_names(int dir, const char *text, int inode, int dir2, const char *text2,
                       int inode2);

/* Everything pending of a file, or of the names of a directory, becomes durable; or fails to. */
void disk_make_durable(int inode);
void disk_lose_pages(int inode);

#endif
