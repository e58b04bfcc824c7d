#include "launcher/reader.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say (const mpl_reader_t *self, const char *fmt, va_list args)
{
    char text[MPL__ERR_TEXT];

    vsnprintf (text, sizeof text, fmt, args);
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            *c = '?';
    if (self->words.file && self->line)
        fprintf (stderr, "mplaunch: %.300s:%d: %s\n", self->words.file, self->line, text);
    else
        fprintf (stderr, "mplaunch: %s\n", text);
}

int mpl__reader_refuse (const mpl_reader_t *self, const char *fmt, ...)
{
    va_list args;

    va_start (args, fmt);
    say (self, fmt, args);
    va_end (args);
    return MPL__USAGE;
}

void mpl__reader_warn (const mpl_reader_t *self, const char *fmt, ...)
{
    va_list args;

    if (self->options->is_quiet)
        return;
    va_start (args, fmt);
    say (self, fmt, args);
    va_end (args);
}

mpl_app_t *mpl__reader_app (const mpl_reader_t *self)
{
    return &self->options->apps[self->options->n_apps - 1];
}

void mpl__reader_add (mpl_reader_t *self, mpl_texts_t *texts, const char *text)
{
    if (!text || mpl__texts_add (texts, &self->options->store, text) < 0)
        self->is_out_of_memory = 1;
}

const char *mpl__reader_keep (mpl_reader_t *self, const char *text, size_t len)
{
    const char *kept = mpl__store_text (&self->options->store, text, len);

    self->is_out_of_memory |= !kept;
    return kept;
}

const char *mpl__reader_join (mpl_reader_t *self, const char *a, const char *between, const char *b)
{
    size_t size = strlen (a) + strlen (between) + strlen (b) + 1;
    char *joined = mpl__store_get (&self->options->store, size);

    if (joined)
        snprintf (joined, size, "%s%s%s", a, between, b);
    self->is_out_of_memory |= !joined;
    return joined;
}
