/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link_data - the data set that a full sync brings, on its way into a file.
 *
 *   WRITING --link_data_end()--> ENDING --all is written--> WHOLE
 *      +-----------------------------+------ the disk ----> FAILED
 *
 * A thread writes; the loop only hands bytes over, as long as there is room for them. Once all is
 * written the thread reads it as a load would, so that a data set that does not hold is found
 * before the old one is dropped. The file has a name only if it may become the AOF's base. Main
 * thread only, but for the thread.
 */
#ifndef STET_REPLICATION_LINK_DATA_H
#define STET_REPLICATION_LINK_DATA_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

#include <stdint.h>

enum { LINK_DATA_MARK = 40, LINK_DATA_ROOM = 4 * 1024 * 1024 };

/* The line before the data set: "$<length>" or "$EOF:<mark>". */
struct link_data_head {
    bool open;                     /* the mark tells the end */
    uint64_t size;                 /* if not */
    char mark[LINK_DATA_MARK + 1]; /* if so */
};

/* False: it is neither. */
bool link_data_head(struct slice line, struct link_data_head *out);

/* What the thread has seen in a file that is whole. */
struct link_data_seen {
    bool has_keys;
    int stream_db; /* that the stream has selected at its beginning; 0 if it is not said */
};

enum link_data_state { LINK_DATA_WRITING, LINK_DATA_WHOLE, LINK_DATA_FAILED };

struct link_data;

struct link_data_where {
    int dirfd;        /* stays open, or -1: a file without a name in the working directory */
    const char *name; /* copied */
    bool read;        /* read it through when it is whole: it is to replace other data */
};

/* For so many databases. NULL: no thread could be had. `wake`, from the thread: there is room
 * again, or the state has changed. */
struct link_data *link_data_new(const struct link_data_where *where, int ndbs,
                                void (*wake)(void *arg), void *arg, struct err *e);

size_t link_data_room(struct link_data *d);
void link_data_put(struct link_data *d, const char *p, size_t n); /* n <= the room */

/* The file is whole with `size` bytes; what was put after them goes. */
void link_data_end(struct link_data *d, uint64_t size);

enum link_data_state link_data_state(struct link_data *d, struct err *e);

/* Once it is whole. The descriptor stays `d`'s. */
int link_data_fd(const struct link_data *d);
const struct link_data_seen *link_data_seen(const struct link_data *d);

/* The file's name, NULL: it has none; and it is another owner's from now on. */
const char *link_data_name(const struct link_data *d);
void link_data_give_away(struct link_data *d);

void link_data_drop(struct link_data *d); /* does not wait; NULL is fine */

#endif
