/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/request.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>

enum { FIELDS_MAX = 64 };

/* What the fields of one request have said so far. */
struct heard {
    unsigned hosts;
    bool close, keep, http10;
    bool other_site; /* Sec-Fetch-Site says so */
    bool has_origin, has_length;
    struct slice host, origin;
    size_t length;
    int refusal; /* a status; 0: none */
};

static struct slice trimmed(struct slice s) {
    while (s.n && (*s.p == ' ' || *s.p == '\t')) s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
    return s;
}

/* Takes the part up to `end` from the front of `s`; all of it if there is no `end`. */
static struct slice take(struct slice *s, char end) {
    const char *at = s->n ? memchr(s->p, end, s->n) : NULL;
    struct slice part = {s->p, at ? (size_t)(at - s->p) : s->n};
    size_t used = part.n + (at != NULL);

    s->p += used;
    s->n -= used;
    return part;
}

static bool has_word(struct slice list, const char *word) {
    while (list.n)
        if (slice_is(trimmed(take(&list, ',')), word)) return true;
    return false;
}

/* ---------------------------------------------------------------- Authorization */

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Returns how many bytes were written; SIZE_MAX: it is no base64, or is too long. */
static size_t base64_decode(struct slice s, char *out, size_t room) {
    uint32_t bits = 0;
    unsigned nbits = 0;
    size_t n = 0;

    while (s.n && s.p[s.n - 1] == '=') s.n--;
    for (size_t i = 0; i < s.n; i++) {
        int digit = base64_digit(s.p[i]);

        if (digit < 0) return SIZE_MAX;
        bits = bits << 6 | (uint32_t)digit;
        nbits += 6;
        if (nbits < 8) continue;
        if (n == room) return SIZE_MAX;
        nbits -= 8;
        out[n++] = (char)(bits >> nbits & 0xff);
    }
    return n;
}

static void take_authorization(struct http_request *r, struct slice value) {
    struct slice scheme = take(&value, ' ');
    char text[HTTP_PASSWORD_MAX];
    const char *colon;
    size_t n;

    if (!slice_is(scheme, "Basic")) return;
    n = base64_decode(trimmed(value), text, sizeof text - 1);
    if (n == SIZE_MAX || memchr(text, '\0', n)) return;
    text[n] = '\0';
    colon = strchr(text, ':');
    if (colon) memcpy(r->password, colon + 1, strlen(colon + 1) + 1);
}

bool http_same_secret(const char *given, const char *wanted) {
    size_t ngiven = strlen(given), nwanted = strlen(wanted);
    unsigned different = ngiven != nwanted;

    for (size_t i = 0; i < ngiven; i++)
        different |= (unsigned char)given[i] ^ (unsigned char)wanted[nwanted ? i % nwanted : 0];
    return different == 0;
}

/* ---------------------------------------------------------------- fields */

/* The weight of a media range in thousandths: "q=0.5" is 500. Without one it is 1000. */
static unsigned weight(struct slice params) {
    while (params.n) {
        struct slice p = trimmed(take(&params, ';'));
        unsigned w = 0, unit = 1000;

        if (p.n < 3 || tolower((unsigned char)p.p[0]) != 'q' || p.p[1] != '=') continue;
        for (size_t i = 2; i < p.n && unit; i++) {
            if (p.p[i] == '.') continue;
            if (!isdigit((unsigned char)p.p[i])) return 0;
            w += (unsigned)(p.p[i] - '0') * unit;
            unit /= 10;
        }
        return w;
    }
    return 1000;
}

/* Prometheus lists both forms with weights. */
static void take_accept(struct http_request *r, struct slice value) {
    unsigned open = 0, plain = 0;

    while (value.n) {
        struct slice range = take(&value, ','), type = trimmed(take(&range, ';'));
        unsigned w = weight(range);

        if (slice_is(type, "application/openmetrics-text")) open = w > open ? w : open;
        if (slice_is(type, "text/plain") || slice_is(type, "*/*") || slice_is(type, "text/*"))
            plain = w > plain ? w : plain;
    }
    r->openmetrics = open > 0 && open >= plain;
}

/* An address, or a name that no name server is asked for. */
static bool is_local_name(struct slice host) {
    if (host.n && host.p[0] == '[') return true;
    host = take(&host, ':');
    if (slice_is(host, "localhost")) return true;
    for (size_t i = 0; i < host.n; i++)
        if (!isdigit((unsigned char)host.p[i]) && host.p[i] != '.') return false;
    return true;
}

static void take_host(struct http_request *r, struct heard *h, struct slice value) {
    h->hosts++;
    h->host = value;
    r->by_name = !is_local_name(value);
}

/* An answer to a POST may change something, so a length that a proxy could read otherwise is
 * refused: no sign, no second one, no list. */
static void take_length(struct heard *h, struct slice value) {
    size_t n = 0;

    if (h->has_length || value.n == 0 || value.n > 10) h->refusal = 400;
    for (size_t i = 0; i < value.n; i++) {
        if (!isdigit((unsigned char)value.p[i])) h->refusal = 400;
        n = n * 10 + (size_t)(value.p[i] - '0');
    }
    h->has_length = true;
    h->length = n;
}

/* The number of a database. */
static void take_admin(struct http_request *r, struct heard *h, struct slice value) {
    if (r->db >= 0 || value.n == 0 || value.n > 6) h->refusal = 400;
    r->db = 0;
    for (size_t i = 0; i < value.n && !h->refusal; i++) {
        if (!isdigit((unsigned char)value.p[i])) h->refusal = 400;
        r->db = r->db * 10 + (value.p[i] - '0');
    }
}

/* What a browser says by itself, and no page can change. */
static void take_origin(struct heard *h, struct slice name, struct slice value) {
    if (slice_is(name, "Origin")) {
        h->has_origin = true;
        h->origin = value;
    }
    if (slice_is(name, "Sec-Fetch-Site")) h->other_site |= !slice_is(value, "same-origin");
}

static void take_field(struct http_request *r, struct heard *h, struct slice name,
                       struct slice value) {
    if (slice_is(name, "Host")) take_host(r, h, value);
    if (slice_is(name, "Connection")) {
        h->close |= has_word(value, "close");
        h->keep |= has_word(value, "keep-alive");
    }
    if (slice_is(name, "Accept")) take_accept(r, value);
    if (slice_is(name, "Authorization")) take_authorization(r, value);
    if (slice_is(name, "Transfer-Encoding") || slice_is(name, "Expect")) h->refusal = 413;
    if (slice_is(name, "Content-Length")) take_length(h, value);
    if (slice_is(name, "Stet-Admin")) take_admin(r, h, value);
    take_origin(h, name, value);
}

static bool is_token(struct slice s) {
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr(others, s.p[i], sizeof others - 1))
            return false;
    return s.n > 0;
}

static bool is_printable(struct slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static int read_field(struct http_request *r, struct heard *h, struct slice line) {
    struct slice name, value = line;

    if (!line.n || !memchr(line.p, ':', line.n)) return -400;
    name = take(&value, ':');
    if (!is_token(name) || !is_printable(value)) return -400;
    take_field(r, h, name, trimmed(value));
    return 0;
}

/* ---------------------------------------------------------------- the request line */

static int read_first_line(struct http_request *r, struct heard *h, struct slice line) {
    struct slice method = take(&line, ' '), target = take(&line, ' '), path;

    if (!is_token(method) || !is_printable(target)) return -400;
    if (line.n != 8 || memcmp(line.p, "HTTP/1.", 7) != 0) return -400;
    if (line.p[7] != '0' && line.p[7] != '1') return -505;
    h->http10 = line.p[7] == '0';
    r->is_head = slice_eq(method, SLICE("HEAD"));
    r->is_post = slice_eq(method, SLICE("POST"));
    if (!r->is_head && !r->is_post && !slice_eq(method, SLICE("GET"))) return -405;
    path = take(&target, '?');
    if (path.n == 0 || path.p[0] != '/') return -400;
    if (path.n >= sizeof r->path) return -404;
    memcpy(r->path, path.p, path.n);
    r->path[path.n] = '\0';
    return 0;
}

/* The head ends with an empty line. Returns its length, 0: it is not all there. */
static size_t head_length(struct slice in) {
    const char *end = in.n < 4 ? NULL : memmem(in.p, in.n, "\r\n\r\n", 4);

    return end ? (size_t)(end - in.p) + 4 : 0;
}

static struct slice take_line(struct slice *s) {
    struct slice line = take(s, '\n');

    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    return line;
}

static bool take_scheme(struct slice *s, const char *scheme) {
    size_t n = strlen(scheme);

    if (s->n < n || memcmp(s->p, scheme, n) != 0) return false;
    s->p += n;
    s->n -= n;
    return true;
}

/* "http://HOST" or "https://HOST", where HOST is that of the field. A proxy may speak TLS for us.
 */
static bool is_foreign(const struct heard *h) {
    struct slice host = h->origin;

    if (h->other_site || !h->has_origin) return h->other_site;
    if (!take_scheme(&host, "http://") && !take_scheme(&host, "https://")) return true;
    return h->host.n == 0 || host.n != h->host.n || strncasecmp(host.p, h->host.p, host.n) != 0;
}

/* Returns 0, or minus the status of the refusal. */
static int check_fields(struct http_request *r, const struct heard *h) {
    if (h->refusal) return -h->refusal;
    if (h->hosts > 1 || (h->hosts == 0 && !h->http10)) return -400;
    if (r->is_post && !h->has_length) return -411;
    if (h->length > (r->is_post ? HTTP_BODY_MAX : 0)) return -413;
    r->body = h->length;
    r->foreign = is_foreign(h);
    r->keep_alive = !h->close && (!h->http10 || h->keep);
    return 0;
}

int http_request_read(struct http_request *r, struct slice in) {
    size_t n = head_length(in), fields = 0;
    struct slice rest = slice_of(in.p, n ? n - 2 : 0);
    struct heard h = {0};
    int rc;

    if (n == 0) return in.n >= HTTP_HEADER_MAX ? -431 : 0;
    if (n > HTTP_HEADER_MAX) return -431;
    *r = (struct http_request){.db = -1};
    rc = read_first_line(r, &h, take_line(&rest));
    while (rc == 0 && rest.n) {
        if (++fields > FIELDS_MAX) return -431;
        rc = read_field(r, &h, take_line(&rest));
    }
    if (rc == 0) rc = check_fields(r, &h);
    return rc < 0 ? rc : (int)n;
}
