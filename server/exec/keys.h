/* SPDX-License-Identifier: BSD-3-Clause
 *
 * keys - how a handler looks keys up, and how it reports what it did to them.
 *
 * Keys are looked up through the functions below only: a key whose time is over is removed before
 * it is seen, and a key whose last change is not safe yet raises the gate of the reply. Every
 * change is reported once with key_changed(), which counts it, raises the gate for later readers
 * and notifies WATCH, blocked clients, tracking and keyspace events.
 */
#ifndef STET_EXEC_KEYS_H
#define STET_EXEC_KEYS_H

#include "server/exec/call.h"
#include "server/exec/notify.h"
#include "storage/base/hash.h"

/* A key, its hash, and its entry if there is one. A look-up by the key of an entry whose time is
 * over gives a copy of the key, which is good until the next such look-up. */
struct ref {
    struct slice key;
    uint64_t hash;
    struct entry *e;
    struct db *db;
};

/* Argument i as a key, for reading: counts hits and misses, notes the access. */
struct ref lookup_read(struct call *x, int i);
struct ref lookup_write(struct call *x, int i);

/* Any key in any database; `count` as lookup_read does. */
struct ref lookup(struct call *x, struct db *db, struct slice key, bool count);

/* The same without noting an access (OBJECT, TYPE, TTL...). */
struct ref lookup_quiet(struct call *x, int i);

/* False and an error reply if the key holds another type. A missing key is fine. */
bool check_type(struct call *x, const struct ref *r, enum type_id type);

/* The key of r has changed (or is gone). */
void key_changed(struct call *x, const struct ref *r, enum event_class cls, const char *event);

/* The same for a change that is counted and raises the gate, and notifies no one (XACK, XCLAIM). */
void key_changed_quietly(struct call *x, const struct ref *r);

/* The same for a change of what is not read as the key's contents (groups of a stream): notifies
 * blocked clients and keyspace events, but not WATCH and tracking. */
void key_changed_inside(struct call *x, const struct ref *r, enum event_class cls,
                        const char *event);

/* Notifies WATCH, blocked clients and tracking of one key (`all_touched`: of every key; tracking is
 * told with tracking_all_changed) without counting a change. */
void key_touched(struct engine *e, const struct db *db, struct slice key, uint64_t hash);
void all_touched(struct engine *e);

/* Of key_overwrites(). */
void key_tell_overwritten(struct call *x, const struct ref *r, enum type_id type);

static inline bool key_tells_overwritten(const struct engine *e) {
    return __builtin_expect(e->events & (EVENT_OVERWRITTEN | EVENT_TYPE_CHANGED), 0);
}

/* A value of this type is about to stand in the place of what r has, if there is something: the
 * events of that. */
static inline void key_overwrites(struct call *x, const struct ref *r, enum type_id type) {
    if (key_tells_overwritten(x->e) && r->e) key_tell_overwritten(x, r, type);
}

/* The entry of r is new: notes its first access and emits the event "new". The change itself is
 * reported with key_changed, after this. */
void key_added(struct call *x, const struct ref *r);

/* Emits a keyspace event that is not a change of its own (SET's "expire"). */
void key_event(struct call *x, const struct ref *r, enum event_class cls, const char *event);

/* Removes the key; `lazy`: large values are freed on another thread. Does not call key_changed. */
void key_delete(struct call *x, struct ref *r, bool lazy);

/* The server itself removes the key (expiry, eviction): adds its removal to the unit under way,
 * emits the event and notifies. The caller deletes the key after this. */
void key_vanishes(struct engine *e, const struct ref *r, enum event_class cls, const char *event,
                  bool lazy);

#endif
