/* SPDX-License-Identifier: BSD-3-Clause */
/* blast: a cheap RESP load generator (one thread, epoll).
 *
 * Every request is formatted before the clock starts, into one flat ring; a
 * connection sends P neighbouring requests with one send(), waits for their P
 * replies, and takes the next P. Replies are counted, not decoded; the inside
 * of a large bulk is dropped in the kernel (MSG_TRUNC) without being copied.
 *
 *   blast -p PORT [-s UNIXPATH] [-c CONNS] [-P DEPTH] [-t SECS | -n COUNT]
 *         [-m MODE | -C 'TEMPLATE']... [-k KEYSPACE] [-f FIELDS] [-d VALUESIZE]
 *         [-S] [-R OPS_PER_SEC] [-e EXPIRE_MS -w SPAN_MS] [-x SEED]
 *
 * TEMPLATE words may hold %k key number (12 digits; sequential with -S),
 * %f 0..FIELDS-1, %r 0..999999, %v a value, %e EXPIRE_MS + 0..SPAN_MS-1.
 * 'N*TEMPLATE' weighs it against the other -C templates.
 * -R paces the load; a request kept waiting because all connections were busy
 * is timed from when it was due (no coordinated omission).
 * SIGTERM/SIGINT end the run early; the JSON report is printed all the same. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t u64;
static void die(const char *what) {
    perror(what);
    exit(1);
}
static u64 nowns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* ---------------------------------------------------------------- options */
static int port = 6379, nconn = 50, depth = 1, sequential;
static const char *upath;
static double secs = 1;
static u64 count, keyspace = 1000000, fields = 10, vsize = 16, rate, seed = 1;
static u64 ebase, espan = 1;

static const struct {
    const char *name, *tmpl;
} modes[] = {
    {"ping", "PING"},
    {"set", "SET key:%k %v"},
    {"get", "GET key:%k"},
    {"incr", "INCR ctr:%k"},
    {"lpush", "LPUSH list:%k %v"},
    {"lrange", "LRANGE list:%k 0 99"},
    {"hset", "HSET hash:%k f:%f %v"},
    {"hget", "HGET hash:%k f:%f"},
    {"sadd", "SADD set:%k m:%r"},
    {"zadd", "ZADD zset:%k %r m:%f"},
    {"mset", "MSET key:%k %v key:%k %v key:%k %v key:%k %v key:%k %v "
             "key:%k %v key:%k %v key:%k %v key:%k %v key:%k %v"},
};
static struct {
    const char *tmpl;
    int weight;
} tmpls[16];
static int ntmpl, wsum;

static void add_template(const char *t) {
    char *end;
    long w = strtol(t, &end, 10);
    if (end == t || *end != '*')
        w = 1;
    else
        t = end + 1;
    if (ntmpl == 16) {
        fprintf(stderr, "too many templates\n");
        exit(2);
    }
    tmpls[ntmpl].tmpl = t;
    tmpls[ntmpl++].weight = (int)w;
    wsum += (int)w;
}
static void add_mode(const char *m) {
    if (!strcmp(m, "mixed")) {
        add_template("4*GET key:%k");
        add_template("1*SET key:%k %v");
        return;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(m, modes[i].name)) {
            add_template(modes[i].tmpl);
            return;
        }
    fprintf(stderr, "unknown mode %s\n", m);
    exit(2);
}

/* ------------------------------------------------------ the request ring */
static char *ring;  /* requests back to back */
static size_t *off; /* request i is ring[off[i]..off[i+1]) */
static u64 nring;
static size_t rlen, rcap;
static char *pool; /* random printable bytes that values are cut from */
#define POOL 65536

static u64 rnd(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static size_t digits(char *to, u64 v, int min) { /* decimal, zero-padded to min */
    char tmp[24];
    int n = 0;
    do {
        tmp[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v || n < min);
    for (int i = 0; i < n; i++) to[i] = tmp[n - 1 - i];
    return (size_t)n;
}
static void put(const char *p, size_t n) {
    if (rlen + n > rcap) {
        rcap = (rlen + n) * 2;
        if (!(ring = realloc(ring, rcap))) die("realloc");
    }
    memcpy(ring + rlen, p, n);
    rlen += n;
}
static void put_request(const char *t, u64 index) {
    static char *word;
    char head[32];
    int argc = 1;
    if (!word && !(word = malloc(vsize + 4096))) die("malloc");
    for (const char *p = t; *p; p++) argc += *p == ' ';
    put(head, (size_t)sprintf(head, "*%d\r\n", argc));
    while (*t) {
        size_t n = 0;
        for (; *t && *t != ' '; t++) {
            if (*t != '%') {
                word[n++] = *t;
                continue;
            }
            switch (*++t) {
            case 'k': n += digits(word + n, sequential ? index : rnd() % keyspace, 12); break;
            case 'f': n += digits(word + n, rnd() % fields, 1); break;
            case 'r': n += digits(word + n, rnd() % 1000000, 1); break;
            case 'e': n += digits(word + n, ebase + rnd() % espan, 1); break;
            case 'v':
                for (u64 left = vsize; left;) {
                    u64 m = left < POOL ? left : POOL;
                    memcpy(word + n, pool + rnd() % POOL, m);
                    n += m;
                    left -= m;
                }
                break;
            default: fprintf(stderr, "bad template\n"); exit(2);
            }
        }
        if (*t == ' ') t++;
        head[0] = '$';
        size_t m = 1 + digits(head + 1, n, 1);
        memcpy(head + m, "\r\n", 2);
        put(head, m + 2);
        put(word, n);
        put("\r\n", 2);
    }
}
static void build_ring(void) {
    pool = malloc(2 * POOL);
    for (int i = 0; i < 2 * POOL; i++)
        pool[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[rnd() & 63];
    u64 d = (u64)depth, per = vsize + 64;
    nring = sequential ? count : (48u << 20) / per;
    if (!sequential && nring > 262144) nring = 262144;
    if (!sequential && count && nring > count) nring = count;
    nring = (nring + d - 1) / d * d;
    if (!(off = malloc((nring + 1) * sizeof *off))) die("malloc");
    for (u64 i = 0; i < nring; i++) {
        if (!sequential && i % d == 0 && rlen > (48u << 20))
            nring = i; /* long requests: fewer do */
        if (i == nring) break;
        int w = wsum > 1 ? (int)(rnd() % (u64)wsum) : 0, j = 0;
        while (w >= tmpls[j].weight) w -= tmpls[j++].weight;
        off[i] = rlen;
        put_request(tmpls[j].tmpl, i);
    }
    off[nring] = rlen;
}

/* ------------------------------------ latency histogram (1.6% per bucket) */
#define SUB 128
static u64 hist[64 * SUB], lat_n, lat_max;
static double lat_sum;
static void record(u64 ns, u64 n) {
    int top = ns < SUB ? 0 : 63 - __builtin_clzll(ns) - 6;
    hist[(u64)top * SUB + (ns >> top)] += n;
    lat_n += n;
    lat_sum += (double)ns * (double)n;
    if (ns > lat_max) lat_max = ns;
}
static double percentile_us(double p) {
    u64 want = (u64)((double)lat_n * p / 100.0), seen = 0;
    for (u64 i = 0; i < 64 * SUB; i++) {
        if ((seen += hist[i]) > want) {
            u64 v = ((i % SUB) << (i / SUB)) + ((1ull << (i / SUB)) >> 1);
            return (double)(v < lat_max ? v : lat_max) / 1e3;
        }
    }
    return (double)lat_max / 1e3;
}

/* --------------------------------------------------------- reply scanner */
typedef struct conn {
    int fd, want_out, left;    /* left: replies of the batch still to come */
    const char *out, *out_end; /* unsent part of the batch */
    u64 t0, idle_since;
    u64 skip; /* bytes of a bulk still to pass over */
    u64 pend; /* elements of aggregates still to come */
    int64_t num;
    int neg;
    char type; /* header line being read */
    struct conn *next_idle;
} conn;

static u64 errors, nils;
static char first_error[160];

/* Counts the replies that end inside p[0..n). */
static int scan(conn *c, const char *p, size_t n) {
    const char *e = p + n;
    int done = 0;
    while (p < e) {
        if (c->skip) {
            size_t m = c->skip < (size_t)(e - p) ? c->skip : (size_t)(e - p);
            p += m;
            if ((c->skip -= m)) break;
            goto value;
        }
        if (!c->type) {
            c->type = *p++;
            c->num = 0;
            c->neg = 0;
            if (c->type == '-') {
                errors++;
                if (!first_error[0])
                    for (size_t i = 0; i + 1 < sizeof first_error && p + i < e && p[i] != '\r'; i++)
                        first_error[i] = p[i] == '"' || p[i] == '\\' ? '\'' : p[i];
            }
        }
        int sized = strchr("$*%~>=!", c->type) != NULL;
        if (sized) {
            while (p < e && *p != '\n') {
                if (*p == '-')
                    c->neg = 1;
                else if (*p >= '0')
                    c->num = c->num * 10 + (*p - '0');
                p++;
            }
        } else {
            p = memchr(p, '\n', (size_t)(e - p));
            if (!p) return done;
        }
        if (p == e) return done;
        p++;
        char type = c->type;
        c->type = 0;
        if (sized && c->neg)
            nils++;
        else if (type == '$' || type == '=' || type == '!') {
            c->skip = (u64)c->num + 2;
            continue;
        } else if (sized) {
            u64 kids = (u64)c->num * (type == '%' ? 2 : 1);
            if (c->pend) c->pend--;
            c->pend += kids;
            if (!c->pend) done++;
            continue;
        }
    value:
        if (c->pend) {
            if (--c->pend == 0) done++;
        } else
            done++;
    }
    return done;
}

/* ------------------------------------------------------------- the loop */
static volatile sig_atomic_t stop;
static void on_signal(int s) {
    (void)s;
    stop = 1;
}
static int ep;
static u64 next_req, sent, replies, rbytes, deadline, due, interval;
static conn *idle;

static void push_out(conn *c) {
    while (c->out < c->out_end) {
        ssize_t n = send(c->fd, c->out, (size_t)(c->out_end - c->out), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) die("send");
            break;
        }
        c->out += n;
    }
    int want = c->out < c->out_end;
    if (want != c->want_out) {
        struct epoll_event ev = {.events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
        c->want_out = want;
    }
}
static int finished(u64 now) {
    return stop || (count ? sent >= count : now >= deadline);
}
static void start_batch(conn *c, u64 t0) {
    u64 n = (u64)depth;
    if (count && count - sent < n) n = count - sent;
    if (next_req + n > nring) next_req = 0;
    c->out = ring + off[next_req];
    c->out_end = ring + off[next_req + n];
    next_req += n;
    if (next_req >= nring) next_req = 0;
    c->left = (int)n;
    sent += n;
    c->t0 = t0;
    push_out(c);
}
static void go_idle(conn *c, u64 now) {
    c->idle_since = now;
    c->next_idle = idle;
    idle = c;
}
static void on_readable(conn *c) {
    static char buf[262144];
    size_t want = sizeof buf;
    int flags = 0;
    if (c->skip > 16384) {
        want = c->skip;
        flags = MSG_TRUNC;
    } /* drop the payload in the kernel */
    ssize_t n = recv(c->fd, buf, want, flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        fprintf(stderr, "blast: server closed the connection\n");
        exit(1);
    }
    rbytes += (u64)n;
    int done;
    if (flags) {
        c->skip -= (u64)n;
        done = 0;
        if (!c->skip) {
            c->skip = 1;
            done = scan(c, "\n", 1);
        }
    } else
        done = scan(c, buf, (size_t)n);
    if (!done) return;
    u64 now = nowns();
    record(now > c->t0 ? now - c->t0 : 0, (u64)done);
    replies += (u64)done;
    c->left -= done;
    if (c->left < 0) {
        fprintf(stderr, "blast: more replies than requests\n");
        exit(1);
    }
    if (c->left) return;
    if (rate || finished(now))
        go_idle(c, now);
    else
        start_batch(c, now);
}
static int dial(void) {
    int fd, one = 1;
    if (upath) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        strncpy(a.sun_path, upath, sizeof a.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    } else {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

int main(int argc, char **argv) {
    for (int o; (o = getopt(argc, argv, "p:s:c:P:t:n:m:C:k:f:d:SR:e:w:x:")) != -1;) switch (o) {
        case 'p': port = atoi(optarg); break;
        case 's': upath = optarg; break;
        case 'c': nconn = atoi(optarg); break;
        case 'P': depth = atoi(optarg); break;
        case 't': secs = atof(optarg); break;
        case 'n': count = strtoull(optarg, 0, 10); break;
        case 'm': add_mode(optarg); break;
        case 'C': add_template(optarg); break;
        case 'k': keyspace = strtoull(optarg, 0, 10); break;
        case 'f': fields = strtoull(optarg, 0, 10); break;
        case 'd': vsize = strtoull(optarg, 0, 10); break;
        case 'S': sequential = 1; break;
        case 'R': rate = strtoull(optarg, 0, 10); break;
        case 'e': ebase = strtoull(optarg, 0, 10); break;
        case 'w': espan = strtoull(optarg, 0, 10); break;
        case 'x': seed = strtoull(optarg, 0, 10) * 0x9e3779b97f4a7c15ull + 1; break;
        default: return 2;
        }
    if (!ntmpl) add_mode("set");
    if (sequential && !count) {
        fprintf(stderr, "-S needs -n\n");
        return 2;
    }
    if (count && (u64)nconn * (u64)depth > count && depth > 1)
        nconn = (int)(count / (u64)depth) + 1;
    build_ring();
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    prctl(PR_SET_TIMERSLACK, 1000);

    ep = epoll_create1(0);
    conn *cs = calloc((size_t)nconn, sizeof *cs);
    for (int i = 0; i < nconn; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &cs[i]};
        cs[i].fd = dial();
        fcntl(cs[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(ep, EPOLL_CTL_ADD, cs[i].fd, &ev);
    }
    struct rusage r0, r1;
    getrusage(RUSAGE_SELF, &r0);
    u64 start = nowns(), now = start, grace = 0;
    deadline = count ? ~0ull : start + (u64)(secs * 1e9);
    if (rate) {
        interval = (u64)(1e9 * (double)depth / (double)rate);
        due = start;
    }
    for (int i = 0; i < nconn; i++) {
        if (rate)
            go_idle(&cs[i], start);
        else if (!finished(start))
            start_batch(&cs[i], nowns());
    }
    while (replies < sent || !finished(now)) {
        struct timespec ts = {0, 50000000};
        if (rate && !finished(now)) {
            while (idle && due <= now && !finished(now)) {
                conn *c = idle;
                idle = c->next_idle;
                start_batch(c, c->idle_since <= due ? now : due);
                due += interval;
            }
            if (idle) {
                u64 w = due > now ? due - now : 0;
                if (w < 50000000) ts.tv_nsec = (long)w;
            }
        }
        struct epoll_event ev[256];
        int n = epoll_pwait2(ep, ev, 256, &ts, NULL);
        for (int i = 0; i < n; i++) {
            conn *c = ev[i].data.ptr;
            if (ev[i].events & EPOLLOUT) push_out(c);
            if (ev[i].events & ~(unsigned)EPOLLOUT) on_readable(c);
        }
        now = nowns();
        if (finished(now)) { /* bounded wait for what is in flight */
            if (!grace) grace = now + 20000000000ull;
            if (now > grace) {
                fprintf(stderr, "blast: replies missing\n");
                break;
            }
        }
    }
    getrusage(RUSAGE_SELF, &r1);
    double el = (double)(nowns() - start) / 1e9;
    double cpu = (double)(r1.ru_utime.tv_sec - r0.ru_utime.tv_sec + r1.ru_stime.tv_sec -
                          r0.ru_stime.tv_sec) +
                 (double)(r1.ru_utime.tv_usec - r0.ru_utime.tv_usec + r1.ru_stime.tv_usec -
                          r0.ru_stime.tv_usec) /
                     1e6;
    printf("{\"ops\":%llu,\"secs\":%.4f,\"ops_s\":%.1f,\"errors\":%llu,\"nils\":%llu,\"in_bytes\":%"
           "llu,"
           "\"client_cpu_s\":%.4f,\"client_busy\":%.3f,\"mean_us\":%.2f,\"p50_us\":%.2f,\"p90_us\":"
           "%.2f,"
           "\"p99_us\":%.2f,\"p999_us\":%.2f,\"max_us\":%.2f,\"first_error\":\"%s\"}\n",
           (unsigned long long)replies, el, (double)replies / el, (unsigned long long)errors,
           (unsigned long long)nils, (unsigned long long)rbytes, cpu, cpu / el,
           lat_n ? lat_sum / (double)lat_n / 1e3 : 0, percentile_us(50), percentile_us(90),
           percentile_us(99), percentile_us(99.9), (double)lat_max / 1e3, first_error);
    return 0;
}
