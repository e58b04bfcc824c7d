/* Reading a hostfile of Open MPI or MPICH; its grammar and how the two are told apart are in hosts.h. */
#include "conf/draft.h"
#include "conf/hostlist.h"
#include "conf/hosts.h"
#include "conf/text.h"
#include "conf/word.h"
#include "conf/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_RIGHT "a line is [user@]host[:N] [slots=N] [max_slots=M] [user=U] [port=P]"

typedef struct {
    mpl_draft_t draft;
    mpl_err_t *err;
    int is_mpich;               /* some line has :N, or a plain line came twice */
} reader_t;

/* ---- name=value ------------------------------------------------------------------------------------------------ */

static int read_slots (reader_t *self, const mpl_piece_t *value, mpl_host_t *host)
{
    if (host->slots != MPL__SLOTS_UNSAID)
        return mpl__err_at (self->err, &value->place, EINVAL, "the slots of this line are given twice");
    return mpl__word_slots (value, &host->slots, self->err);
}

static int read_max_slots (reader_t *self, const mpl_piece_t *value, mpl_host_t *host)
{
    return mpl__word_number (value, "max_slots", MPL__SLOTS_MAX, &host->max_slots, self->err);
}

static int read_port (reader_t *self, const mpl_piece_t *value, mpl_host_t *host)
{
    return mpl__word_number (value, "port", 65535, &host->port, self->err);
}

static int read_user (reader_t *self, const mpl_piece_t *value, mpl_host_t *host)
{
    if (host->user)
        return mpl__err_at (self->err, &value->place, EINVAL, "the user of this line is given twice");
    return mpl__word_user (value, &self->draft.store, &host->user, self->err);
}

static int refuse_binding (reader_t *self, const mpl_piece_t *value, mpl_host_t *host)
{
    (void) host;
    return mpl__err_at (self->err, &value->place, EINVAL,
                        "a hostfile cannot bind processes here; --bind-to does, on all hosts");
}

static const struct {
    const char *key;
    int (*set) (reader_t *self, const mpl_piece_t *value, mpl_host_t *host);
} settings[] = {
    { "slots", read_slots },         { "max_slots", read_max_slots }, { "user", read_user },
    { "port", read_port },           { "cpus", read_slots },          { "cpu", read_slots },
    { "count", read_slots },         { "max-slots", read_max_slots }, { "slots_max", read_max_slots },
    { "slots-max", read_max_slots }, { "username", read_user },       { "binding", refuse_binding },
};
/* What errors propose. */
static const char *const proposed[] = { "slots", "max_slots", "user", "port", NULL };

static int is_number (const mpl_piece_t *word)
{
    size_t n = 0;

    while (n < word->len && word->text[n] >= '0' && word->text[n] <= '9')
        n++;
    return n > 0 && n == word->len;
}

static int unknown_word (reader_t *self, const mpl_piece_t *word, size_t key_len)
{
    char shown[MPL__SHOWN];
    const char *near;

    if (is_number (word))
        return mpl__err_at (self->err, &word->place, EINVAL,
                            "a number by itself; slots=%s says how many slots this host has",
                            mpl__shown (shown, word->text, word->len));
    mpl__shown (shown, word->text, key_len);
    near = mpl__nearest (shown, proposed);
    if (near)
        return mpl__err_at (self->err, &word->place, EINVAL, "unknown word '%s' in a hostfile; did you mean '%s='?",
                            shown, near);
    return mpl__err_at (self->err, &word->place, EINVAL, "unknown word '%s' in a hostfile; " LINE_RIGHT, shown);
}

static int read_setting (reader_t *self, const mpl_piece_t *word, mpl_host_t *host)
{
    const char *equals = memchr (word->text, '=', word->len);
    size_t len = equals ? (size_t) (equals - word->text) : word->len;

    for (size_t i = 0; equals && i < sizeof settings / sizeof *settings; i++)
        if (strlen (settings[i].key) == len && !memcmp (settings[i].key, word->text, len)) {
            mpl_piece_t value = { equals + 1, word->len - len - 1, mpl__place_after (&word->place, len + 1) };
            return settings[i].set (self, &value, host);
        }
    return unknown_word (self, word, len);
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

static int check_one (reader_t *self, const mpl_piece_t *word)
{
    const char *entry, *comma;
    size_t len;

    comma = mpl__hostlist_entry (word->text, word->text + word->len, &entry, &len);
    if (comma == word->text + word->len)
        return 0;
    mpl_place_t place = mpl__place_after (&word->place, (size_t) (comma - word->text));
    return mpl__err_at (self->err, &place, EINVAL,
                        "a hostfile has one host a line; a ',' stands in brackets only, as in n[01-08,12]");
}

static int read_line (reader_t *self, mpl_piece_t line)
{
    mpl_piece_t word, name;
    mpl_host_t host;

    if (!mpl__word_next (&line, &word))
        return 0;
    if (check_one (self, &word) < 0 || mpl__word_read (&word, &name, &host, &self->draft.store, self->err) < 0)
        return -1;
    self->is_mpich |= host.slots != MPL__SLOTS_UNSAID;
    while (mpl__word_next (&line, &word))
        if (read_setting (self, &word, &host) < 0)
            return -1;
    return mpl__word_add (&self->draft, &name, &host, self->err);
}

/* Reads all lines; at the end *n_lines is their number. */
static int read_lines (reader_t *self, const char *name, const char *text, size_t len, size_t *n_lines)
{
    const char *end = text + len;

    for (*n_lines = 0; text < end;) {
        const char *newline = memchr (text, '\n', (size_t) (end - text)), *stop = newline ? newline : end;
        const char *comment = memchr (text, '#', (size_t) (stop - text));
        const char *nul = memchr (text, '\0', (size_t) (stop - text));
        mpl_piece_t line = { text, (size_t) ((comment ? comment : stop) - text), { name, ++*n_lines, 1 } };
        if (nul) {
            mpl_place_t place = mpl__place_after (&line.place, (size_t) (nul - text));
            return mpl__err_at (self->err, &place, EINVAL, "a NUL byte; a hostfile is text with a host a line");
        }
        if (read_line (self, line) < 0)
            return -1;
        text = newline ? newline + 1 : end;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int finish_host (reader_t *self, size_t i, const char *name)
{
    mpl_host_t *host = &self->draft.hosts[i];
    const mpl_named_t *named = &self->draft.named[i];
    mpl_place_t place = { name, named->line, 1 };

    if (!self->is_mpich && named->n_plain && !named->n_counted)
        host->slots = 0;
    if (host->max_slots && host->slots > host->max_slots)
        return mpl__err_at (self->err, &place, EINVAL,
                            "host '%s' has %d slots and max_slots %d; slots are at most max_slots", host->name,
                            host->slots, host->max_slots);
    return 0;
}

/* What can only be said when the last line was read. */
static int finish (reader_t *self, const char *name, size_t n_lines)
{
    int is_empty = 1;

    for (size_t i = 0; i < self->draft.n; i++)
        self->is_mpich |= self->draft.named[i].n_plain > 1;
    for (size_t i = 0; i < self->draft.n; i++) {
        if (!self->draft.named[i].line)
            continue;
        is_empty = 0;
        if (finish_host (self, i, name) < 0)
            return -1;
    }
    if (is_empty)
        return mpl__err_at (self->err, &(mpl_place_t) { name, n_lines + !n_lines, 1 }, EINVAL,
                            "no host is named in this hostfile; " LINE_RIGHT);
    return 0;
}

int mpl__hosts_parse_file (mpl_hosts_t *self, const char *name, const char *text, size_t len, mpl_err_t *err)
{
    reader_t reader = { .err = err };
    size_t n_lines;
    int rc = mpl__draft_begin (&reader.draft, self, err);

    if (rc == 0)
        rc = read_lines (&reader, name, text, len, &n_lines);
    if (rc == 0)
        rc = finish (&reader, name, n_lines);
    if (rc == 0)
        mpl__draft_commit (&reader.draft, self);
    mpl__draft_drop (&reader.draft);
    return rc;
}

int mpl__hosts_read_file (mpl_hosts_t *self, const char *path, mpl_err_t *err)
{
    size_t len;
    char *text = mpl__text_read (path, MPL__HOSTFILE_MAX, "a hostfile", &len, err);

    if (!text)
        return -1;
    int rc = mpl__hosts_parse_file (self, path, text, len, err), keep = errno;
    free (text);
    errno = keep;
    return rc;
}
