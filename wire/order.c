#include "wire/order.h"
#include "base/fd.h"
#include "wire/bytes.h"
#include "wire/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD 12u                /* length and protocol */
#define N_NUMBERS 16

/* ---- encoding -------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *to;                /* NULL: only count */
    size_t len;
} writer_t;

static void put_number (writer_t *self, uint64_t value)
{
    if (self->to)
        mpl__put64 (self->to + self->len, value);
    self->len += 8;
}

static void put_text (writer_t *self, const char *text)
{
    size_t len = text ? strlen (text) : 0;

    put_number (self, text ? len + 1 : 0);
    if (self->to && len)
        memcpy (self->to + self->len, text, len);
    self->len += len;
}

static void put_list (writer_t *self, char *const *texts)
{
    size_t n = 0;

    while (texts && texts[n])
        n++;
    put_number (self, n);
    for (size_t i = 0; i < n; i++)
        put_text (self, texts[i]);
}

static void put_order (writer_t *self, const mpl_order_t *order)
{
    const uint64_t numbers[N_NUMBERS] = { order->size, order->node, order->nodes, order->standard_input, order->deal,
                                          order->hold, order->sharers, order->port_first, order->port_last,
                                          order->beat_ns, order->self_end_ns, order->retries, order->timeout_ns,
                                          order->memory_limit, order->flags, order->n_apps };

    put_text (self, order->job);
    put_text (self, order->host);
    put_text (self, order->output);
    put_text (self, order->wdir);
    put_text (self, order->interface);
    put_list (self, order->set);
    put_list (self, order->env);
    for (int i = 0; i < N_NUMBERS; i++)
        put_number (self, numbers[i]);
    for (size_t i = 0; i < order->n_apps; i++) {
        const mpl_order_app_t *app = &order->apps[i];
        put_list (self, app->argv);
        put_list (self, app->set);
        put_list (self, app->kept);
        put_number (self, app->keep);
        put_text (self, app->wdir);
        put_text (self, app->path);
    }
    put_number (self, order->n_ranks);
    for (size_t i = 0; i < order->n_ranks; i++) {
        put_number (self, order->ranks[i].rank);
        put_number (self, order->ranks[i].app);
    }
    put_number (self, order->n_stage);
    for (size_t i = 0; i < order->n_stage; i++) {
        put_text (self, order->stage[i].name);
        put_text (self, order->stage[i].link);
        put_number (self, order->stage[i].bytes);
        put_number (self, order->stage[i].mode);
        put_number (self, order->stage[i].sum);
    }
}

int mpl__order_encode (const mpl_order_t *order, uint8_t **bytes, size_t *len)
{
    writer_t writer = { .to = NULL, .len = HEAD };

    put_order (&writer, order);
    if (writer.len > MPL__ORDER_MAX) {
        errno = E2BIG;
        return -1;
    }
    if (!(writer.to = malloc (writer.len)))
        return -1;
    writer.len = HEAD;
    put_order (&writer, order);
    mpl__put64 (writer.to, writer.len - 8);
    mpl__put32 (writer.to + 8, MPL__PROTOCOL);
    *bytes = writer.to;
    *len = writer.len;
    return 0;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

/* Texts and arrays of the order lie in one block. What is in the input needs at most its own size there: a text
 * with its NUL no more than its length field and bytes, a pointer no more than the text's length field; what each
 * struct needs beyond that is counted in NEED. */
#define NEED(len) ((len) * 4 + 1024)

typedef struct {
    const uint8_t *from;
    size_t at, len;
    char *room;                 /* the block's free part */
    size_t left;
    int is_bad;
} reader_t;

static void *take_room (reader_t *self, size_t size)
{
    size = (size + 15) & ~(size_t) 15;
    if (self->is_bad || size > self->left) {
        self->is_bad = 1;
        return NULL;
    }
    void *room = self->room;
    self->room += size;
    self->left -= size;
    return room;
}

static uint64_t get_number (reader_t *self)
{
    if (self->is_bad || self->len - self->at < 8) {
        self->is_bad = 1;
        return 0;
    }
    self->at += 8;
    return mpl__get64 (self->from + self->at - 8);
}

static char *get_text (reader_t *self)
{
    uint64_t len = get_number (self);

    if (self->is_bad || !len)
        return NULL;
    len--;
    if (len > self->len - self->at || memchr (self->from + self->at, '\0', len)) {
        self->is_bad = 1;
        return NULL;
    }
    char *text = take_room (self, len + 1);
    if (text) {
        memcpy (text, self->from + self->at, len);
        text[len] = '\0';
        self->at += len;
    }
    return text;
}

/* A count of things that take at least 8 bytes each. */
static size_t get_count (reader_t *self)
{
    uint64_t n = get_number (self);

    if (self->is_bad || n > (self->len - self->at) / 8) {
        self->is_bad = 1;
        return 0;
    }
    return (size_t) n;
}

static char **get_list (reader_t *self)
{
    size_t n = get_count (self);
    char **texts = take_room (self, (n + 1) * sizeof *texts);

    if (!texts)
        return NULL;
    for (size_t i = 0; i < n && !self->is_bad; i++)
        if (!(texts[i] = get_text (self)))
            self->is_bad = 1;
    texts[n] = NULL;
    return texts;
}

static void get_app (reader_t *self, mpl_order_app_t *app)
{
    app->argv = get_list (self);
    app->set = get_list (self);
    app->kept = get_list (self);
    app->keep = get_number (self);
    app->wdir = get_text (self);
    app->path = get_text (self);
    if (self->is_bad || !app->argv[0] || app->keep > MPL__KEEP_NONE)
        self->is_bad = 1;
}

static void get_ranks (reader_t *self, mpl_order_t *order)
{
    order->n_ranks = get_count (self);
    order->ranks = take_room (self, order->n_ranks * sizeof *order->ranks);
    for (size_t i = 0; i < order->n_ranks && !self->is_bad; i++) {
        mpl_order_rank_t *rank = &order->ranks[i];
        *rank = (mpl_order_rank_t) { get_number (self), get_number (self) };
        if (rank->rank >= order->size || rank->app >= order->n_apps || (i && rank->rank <= rank[-1].rank))
            self->is_bad = 1;
    }
}

static void get_stage (reader_t *self, mpl_order_t *order)
{
    order->n_stage = get_count (self);
    if (order->n_stage > MPL__STAGE_MAX)
        self->is_bad = 1;
    order->stage = take_room (self, order->n_stage * sizeof *order->stage);
    for (size_t i = 0; i < order->n_stage && !self->is_bad; i++) {
        mpl_stage_t *file = &order->stage[i];
        *file = (mpl_stage_t) { get_text (self), get_text (self), get_number (self), get_number (self), get_number (self) };
        if (!file->name || !*file->name || strchr (file->name, '/') || !strcmp (file->name, ".") || !strcmp (file->name, ".."))
            self->is_bad = 1;           /* it would lie elsewhere than in its folder */
    }
}

static void get_order (reader_t *self, mpl_order_t *order)
{
    order->job = get_text (self);
    order->host = get_text (self);
    order->output = get_text (self);
    order->wdir = get_text (self);
    order->interface = get_text (self);
    order->set = get_list (self);
    order->env = get_list (self);
    order->size = get_number (self);
    order->node = get_number (self);
    order->nodes = get_number (self);
    order->standard_input = get_number (self);
    order->deal = get_number (self);
    order->hold = get_number (self);
    order->sharers = get_number (self);
    order->port_first = get_number (self);
    order->port_last = get_number (self);
    order->beat_ns = get_number (self);
    order->self_end_ns = get_number (self);
    order->retries = get_number (self);
    order->timeout_ns = get_number (self);
    order->memory_limit = get_number (self);
    order->flags = get_number (self);
    order->n_apps = get_count (self);
    order->apps = take_room (self, order->n_apps * sizeof *order->apps);
    for (size_t i = 0; i < order->n_apps && !self->is_bad; i++)
        get_app (self, &order->apps[i]);
    get_ranks (self, order);
    get_stage (self, order);
    if (self->at != self->len || !order->job || !order->host || order->deal > MPL__DEAL_SOCKET
        || order->hold > MPL__HOLD_SOCKET || order->node >= order->nodes || order->size > INT32_MAX
        || order->port_first > order->port_last || order->port_last > UINT16_MAX)
        self->is_bad = 1;
}

int mpl__order_decode (const uint8_t *bytes, size_t len, mpl_order_t *order)
{
    *order = (mpl_order_t) { .memory = NULL };
    if (len < HEAD || len > MPL__ORDER_MAX || mpl__get64 (bytes) != len - 8
        || mpl__get32 (bytes + 8) != MPL__PROTOCOL) {
        errno = EPROTO;
        return -1;
    }
    reader_t reader = { .from = bytes, .at = HEAD, .len = len, .left = NEED (len) };
    if (!(order->memory = reader.room = malloc (reader.left)))
        return -1;
    get_order (&reader, order);
    if (!reader.is_bad)
        return 0;
    mpl__order_clear (order);
    errno = EPROTO;
    return -1;
}

void mpl__order_clear (mpl_order_t *order)
{
    free (order->memory);
    *order = (mpl_order_t) { .memory = NULL };
}

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

int mpl__order_write (int fd, const mpl_order_t *order)
{
    uint8_t *bytes;
    size_t len;

    if (mpl__order_encode (order, &bytes, &len) < 0)
        return -1;
    int rc = mpl__fd_write_all (fd, bytes, len);
    free (bytes);
    return rc;
}

static int read_all (int fd, uint8_t *to, size_t len)
{
    while (len) {
        ssize_t rc = read (fd, to, len);
        if (rc == 0)
            errno = EPROTO;
        if (rc == 0 || (rc < 0 && errno != EINTR))
            return -1;
        if (rc > 0) {
            to += rc;
            len -= (size_t) rc;
        }
    }
    return 0;
}

int mpl__order_read (int fd, mpl_order_t *order)
{
    uint8_t head[8];

    *order = (mpl_order_t) { .memory = NULL };
    if (read_all (fd, head, sizeof head) < 0)
        return -1;
    uint64_t len = mpl__get64 (head);
    if (len < HEAD - 8 || len > MPL__ORDER_MAX - 8) {
        errno = EPROTO;
        return -1;
    }
    uint8_t *bytes = malloc ((size_t) len + 8);
    if (!bytes)
        return -1;
    memcpy (bytes, head, sizeof head);
    int rc = read_all (fd, bytes + 8, (size_t) len);
    rc = rc ? rc : mpl__order_decode (bytes, (size_t) len + 8, order);
    free (bytes);
    return rc;
}
