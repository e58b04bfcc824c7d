#include "launcher/each/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One source. The words of the command line, or of a file that was read whole, or a file that is being read. */
typedef struct {
    char *const *words;
    size_t n, at;
    char **own;                         /* words, when they came from a file */
    FILE *file;                         /* being read, record by record */
    const char *path;
} source_t;

struct mpl_inputs {
    source_t sources[MPL__EACH_SOURCES_MAX];
    size_t n;
    char separator;
    char *record;                       /* of the first source, while its combinations are given out */
    size_t room;
    int has_record;
    const char *first;                  /* the first source's current word */
};

static int cannot_read (const char *path, mpl_err_t *err)
{
    return mpl__err (err, errno, "the inputs in %s cannot be read: %s", strcmp (path, "-") ? path : "standard input",
                     strerror (errno));
}

static FILE *open_file (const char *path, mpl_err_t *err)
{
    FILE *file = strcmp (path, "-") ? fopen (path, "re") : stdin;

    if (!file)
        cannot_read (path, err);
    return file;
}

static void close_file (source_t *self)
{
    if (self->file && self->file != stdin)
        fclose (self->file);
    self->file = NULL;
}

/* The next record without its separator: 1; 0 at the end; -1. A NUL cannot be part of an argument. */
static int read_record (source_t *self, char separator, char **record, size_t *room, mpl_err_t *err)
{
    ssize_t len = getdelim (record, room, separator, self->file);

    if (len < 0)
        return ferror (self->file) ? cannot_read (self->path, err) : 0;
    if (len && (*record)[len - 1] == separator)
        (*record)[--len] = '\0';
    if (strlen (*record) != (size_t) len)
        return mpl__err (err, EINVAL, "an input in %s has a NUL in it; -0 is for inputs that end with one",
                         self->path);
    return 1;
}

static int read_whole (source_t *self, char separator, mpl_err_t *err)
{
    char *record = NULL;
    size_t room = 0, n_room = 0;
    int rc;

    if (!(self->file = open_file (self->path, err)))
        return -1;
    while ((rc = read_record (self, separator, &record, &room, err)) == 1) {
        if (self->n == n_room) {
            char **grew = realloc (self->own, (n_room = n_room * 2 + 64) * sizeof *grew);
            if (!grew) {
                rc = mpl__err (err, ENOMEM, "no memory for the inputs in %s", self->path);
                break;
            }
            self->own = grew;
        }
        if (!(self->own[self->n++] = strdup (record))) {
            rc = mpl__err (err, ENOMEM, "no memory for the inputs in %s", self->path);
            break;
        }
    }
    free (record);
    close_file (self);
    self->words = self->own;
    return rc;
}

mpl_inputs_t *mpl__inputs_new (const mpl_each_options_t *options, mpl_err_t *err)
{
    mpl_inputs_t *self = calloc (1, sizeof *self);

    if (!self) {
        mpl__err (err, ENOMEM, "no memory for the inputs");
        return NULL;
    }
    self->n = options->n_sources;
    self->separator = options->separator;
    for (size_t i = 0; i < self->n; i++) {
        const mpl_each_source_t *from = &options->sources[i];
        self->sources[i] = (source_t) { .words = from->words, .n = from->n, .path = from->path };
        if (!from->path)
            continue;
        if (i == 0 ? !(self->sources[0].file = open_file (from->path, err))
                   : read_whole (&self->sources[i], self->separator, err) < 0) {
            mpl__inputs_destroy (&self);
            return NULL;
        }
    }
    return self;
}

/* The first source's next word becomes self->first. */
static int advance_first (mpl_inputs_t *self, mpl_err_t *err)
{
    source_t *source = &self->sources[0];

    self->has_record = 0;
    if (source->file) {
        int rc = read_record (source, self->separator, &self->record, &self->room, err);
        if (rc <= 0)
            return rc;
        self->first = self->record;
    } else if (source->at < source->n) {
        self->first = source->words[source->at++];
    } else {
        return 0;
    }
    for (size_t i = 1; i < self->n; i++) {
        self->sources[i].at = 0;
        if (!self->sources[i].n)
            return 0;
    }
    self->has_record = 1;
    return 1;
}

/* After a combination was given out: the next one of the same first word, if there is one. */
static void advance_rest (mpl_inputs_t *self)
{
    size_t i = self->n;

    while (i > 1 && ++self->sources[i - 1].at == self->sources[i - 1].n) {
        self->sources[i - 1].at = 0;
        i--;
    }
    if (i <= 1)
        self->has_record = 0;
}

static char **copy_current (const mpl_inputs_t *self)
{
    const char *words[MPL__EACH_SOURCES_MAX];
    size_t bytes = 0;

    for (size_t i = 0; i < self->n; i++) {
        words[i] = i ? self->sources[i].words[self->sources[i].at] : self->first;
        bytes += strlen (words[i]) + 1;
    }
    char **copy = malloc ((self->n + 1) * sizeof *copy + bytes);
    if (!copy)
        return NULL;
    char *at = (char *) (copy + self->n + 1);
    for (size_t i = 0; i < self->n; i++) {
        size_t len = strlen (words[i]) + 1;
        copy[i] = memcpy (at, words[i], len);
        at += len;
    }
    copy[self->n] = NULL;
    return copy;
}

int mpl__inputs_next (mpl_inputs_t *self, char ***inputs, mpl_err_t *err)
{
    if (!self->has_record) {
        int rc = advance_first (self, err);
        if (rc <= 0)
            return rc;
    }
    if (!(*inputs = copy_current (self)))
        return mpl__err (err, ENOMEM, "no memory for the inputs of a job");
    advance_rest (self);
    return 1;
}

size_t mpl__inputs_total (const mpl_inputs_t *self)
{
    size_t total = 1;

    for (size_t i = 0; i < self->n; i++) {
        if (self->sources[i].file || (i == 0 && self->sources[0].path))
            return 0;
        total *= self->sources[i].n;
    }
    return total;
}

void mpl__inputs_destroy (mpl_inputs_t **self_p)
{
    mpl_inputs_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; i < self->n; i++) {
        source_t *source = &self->sources[i];
        for (size_t k = 0; source->own && k < source->n; k++)
            free (source->own[k]);
        free (source->own);
        close_file (source);
    }
    free (self->record);
    free (self);
    *self_p = NULL;
}
