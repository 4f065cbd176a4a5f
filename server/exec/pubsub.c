/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/pubsub.h"

#include "server/exec/engine.h"
#include "server/exec/push.h"
#include "server/exec/session.h"
#include "storage/base/glob.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"

struct subscription {
    struct list of_topic, of_session; /* in topic.subscribers and subscriber.in_order */
    struct topic *topic;
    struct session *s;
};

/* About, as if the session were the only subscriber. */
static size_t subscription_mem(const struct topic *t) {
    enum { SLOT_BYTES = 16 }; /* in the table of topics */

    return sizeof(struct subscription) + sizeof *t + SLOT_BYTES + t->n;
}

/* ---------------------------------------------------------------- tables */

static struct slice key_of_topic(const void *entry) {
    return topic_name(entry);
}

static bool is_topic(const void *entry, struct slice name) {
    return slice_eq(topic_name(entry), name);
}

static struct slice key_of_subscription(const void *entry) {
    return topic_name(((const struct subscription *)entry)->topic);
}

static bool is_subscription(const void *entry, struct slice name) {
    return slice_eq(key_of_subscription(entry), name);
}

static const struct table_ops topic_ops = {key_of_topic, is_topic};
static const struct table_ops subscription_ops = {key_of_subscription, is_subscription};

void pubsub_init(struct pubsub *p) {
    for (int k = 0; k < PUBSUB_KINDS; k++) table_init(&p->topics[k], &topic_ops);
    list_init(&p->patterns);
}

void pubsub_release(struct pubsub *p) {
    for (int k = 0; k < PUBSUB_KINDS; k++) table_release(&p->topics[k], NULL, NULL);
}

/* ---------------------------------------------------------------- topics */

static struct topic *topic_get(struct pubsub *p, enum pubsub_kind kind, struct slice name,
                               uint64_t hash) {
    struct topic *t = table_find(&p->topics[kind], name, hash);

    if (t) return t;
    t = mem_alloc(sizeof *t + name.n);
    *t = (struct topic){.hash = hash, .kind = kind, .n = name.n};
    memcpy(t->name, name.p, name.n);
    list_init(&t->link);
    list_init(&t->subscribers);
    if (kind == PUBSUB_PATTERN) list_append(&p->patterns, &t->link);
    table_insert(&p->topics[kind], t, hash);
    return t;
}

static void topic_drop(struct pubsub *p, struct topic *t) {
    if (t->nsubscribers > 0) return;
    list_remove(&t->link);
    table_remove(&p->topics[t->kind], t, t->hash);
    mem_free(t);
}

size_t pubsub_subscribers(const struct pubsub *p, enum pubsub_kind kind, struct slice name) {
    const struct topic *t = table_find(&p->topics[kind], name, hash_bytes(name.p, name.n));

    return t ? t->nsubscribers : 0;
}

/* ---------------------------------------------------------------- subscribers */

static struct subscriber *subscriber_of(struct session *s) {
    struct subscriber *to = s->subscriber;

    if (to) return to;
    to = s->subscriber = mem_alloc(sizeof *to);
    for (int k = 0; k < PUBSUB_KINDS; k++) {
        table_init(&to->of[k], &subscription_ops);
        list_init(&to->in_order[k]);
    }
    to->bytes = 0;
    return to;
}

static void subscriber_drop(struct session *s) {
    for (int k = 0; k < PUBSUB_KINDS; k++)
        if (s->subscriber->of[k].count > 0) return;
    for (int k = 0; k < PUBSUB_KINDS; k++) table_release(&s->subscriber->of[k], NULL, NULL);
    mem_free(s->subscriber);
    s->subscriber = NULL;
}

void pubsub_subscribe(struct session *s, enum pubsub_kind kind, struct slice name) {
    struct subscriber *to = subscriber_of(s);
    uint64_t hash = hash_bytes(name.p, name.n);
    struct subscription *sub;

    if (table_find(&to->of[kind], name, hash)) return;
    sub = mem_alloc(sizeof *sub);
    *sub = (struct subscription){.topic = topic_get(s->e->pubsub, kind, name, hash), .s = s};
    list_append(&sub->topic->subscribers, &sub->of_topic);
    list_append(&to->in_order[kind], &sub->of_session);
    table_insert(&to->of[kind], sub, hash);
    sub->topic->nsubscribers++;
    to->bytes += subscription_mem(sub->topic);
}

static void drop_subscription(struct session *s, struct subscription *sub) {
    struct topic *t = sub->topic;

    table_remove(&s->subscriber->of[t->kind], sub, t->hash);
    s->subscriber->bytes -= subscription_mem(t);
    list_remove(&sub->of_topic);
    list_remove(&sub->of_session);
    mem_free(sub);
    t->nsubscribers--;
    topic_drop(s->e->pubsub, t);
}

void pubsub_unsubscribe(struct session *s, enum pubsub_kind kind, struct slice name) {
    struct subscription *sub;

    if (!s->subscriber) return;
    sub = table_find(&s->subscriber->of[kind], name, hash_bytes(name.p, name.n));
    if (!sub) return;
    drop_subscription(s, sub);
    subscriber_drop(s);
}

void pubsub_forget(struct session *s) {
    if (!s->subscriber) return;
    for (int k = 0; k < PUBSUB_KINDS; k++) {
        list_each_safe (it, next, &s->subscriber->in_order[k])
            drop_subscription(s, list_entry(it, struct subscription, of_session));
    }
    subscriber_drop(s);
}

bool pubsub_first(const struct session *s, enum pubsub_kind kind, struct slice *name) {
    if (pubsub_count(s, kind) == 0) return false;
    *name = topic_name(
        list_entry(s->subscriber->in_order[kind].next, struct subscription, of_session)->topic);
    return true;
}

bool pubsub_all(const struct session *s,
                bool (*is)(void *arg, enum pubsub_kind kind, struct slice name), void *arg) {
    for (int k = 0; s->subscriber && k < PUBSUB_KINDS; k++)
        list_each (it, &s->subscriber->in_order[k])
            if (!is(arg, k, topic_name(list_entry(it, struct subscription, of_session)->topic)))
                return false;
    return true;
}

size_t pubsub_count(const struct session *s, enum pubsub_kind kind) {
    return s->subscriber ? s->subscriber->of[kind].count : 0;
}

size_t pubsub_mem(const struct session *s) {
    size_t n = 0;

    if (!s->subscriber) return 0;
    for (int k = 0; k < PUBSUB_KINDS; k++) n += s->subscriber->of[k].mem_bytes;
    return n + s->subscriber->bytes + sizeof *s->subscriber;
}

/* ---------------------------------------------------------------- messages */

static void push_word(struct reply *r, struct slice word) {
    reply_bulk(r, word.p, word.n);
}

static size_t send_to(struct engine *e, const struct topic *t, const char *head,
                      struct slice channel, struct slice message) {
    list_each (it, &t->subscribers) {
        struct reply r = push_begin(e, list_entry(it, struct subscription, of_topic)->s);

        reply_push(&r, t->kind == PUBSUB_PATTERN ? 4 : 3);
        reply_bulk_str(&r, head);
        if (t->kind == PUBSUB_PATTERN) push_word(&r, topic_name(t));
        push_word(&r, channel);
        push_word(&r, message);
    }
    return t->nsubscribers;
}

static void tell_of_end(struct session *s, struct slice channel) {
    struct reply r = push_begin(s->e, s);

    reply_push(&r, 3);
    reply_bulk_str(&r, "sunsubscribe");
    push_word(&r, channel);
    reply_int(&r, (int64_t)pubsub_count(s, PUBSUB_SHARD));
}

void pubsub_end_shards(struct session *s, bool (*ends)(void *arg, struct slice channel),
                       void *arg) {
    struct bytes name = {0};

    if (!s->subscriber) return;
    list_each_safe (it, next, &s->subscriber->in_order[PUBSUB_SHARD]) {
        struct subscription *sub = list_entry(it, struct subscription, of_session);

        if (!ends(arg, topic_name(sub->topic))) continue;
        bytes_clear(&name);
        bytes_append(&name, sub->topic->name, sub->topic->n);
        drop_subscription(s, sub);
        tell_of_end(s, slice_of(name.p ? name.p : "", name.n));
    }
    bytes_release(&name);
    subscriber_drop(s);
}

size_t pubsub_publish(struct engine *e, enum pubsub_kind kind, struct slice channel,
                      struct slice message) {
    const struct topic *t =
        table_find(&e->pubsub->topics[kind], channel, hash_bytes(channel.p, channel.n));
    size_t n = 0;

    if (t) n += send_to(e, t, kind == PUBSUB_SHARD ? "smessage" : "message", channel, message);
    if (kind == PUBSUB_SHARD) return n;
    list_each (it, &e->pubsub->patterns) {
        t = list_entry(it, struct topic, link);
        if (glob_match(topic_name(t), channel, false))
            n += send_to(e, t, "pmessage", channel, message);
    }
    return n;
}
