#include "launcher/configfile.h"
#include "conf/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at, *end;
    int line;
    int is_line_begun;                  /* a word of this line has been read */
    char *word;                         /* room for the longest word there can be */
    mpl_words_t *words;
    mpl_store_t *store;
    mpl_err_t *err;
} scan_t;

static int no_memory (scan_t *self)
{
    return mpl__err (self->err, ENOMEM, "no memory for %s", self->words->file);
}

static int add (scan_t *self, const char *text, size_t len)
{
    mpl_words_t *words = self->words;

    if ((words->n & (words->n - 1)) == 0) {             /* the room is a power of two, or there is none yet */
        mpl_word_t *larger = mpl__store_get (self->store, (words->n ? 2 * words->n : 1) * sizeof *larger);
        if (!larger)
            return no_memory (self);
        if (words->n)
            memcpy (larger, words->words, words->n * sizeof *larger);
        words->words = larger;
    }
    char *copy = mpl__store_text (self->store, text, len);
    if (!copy)
        return no_memory (self);
    words->words[words->n++] = (mpl_word_t) { copy, self->line };
    return 0;
}

static int is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r';          /* an editor of another system leaves \r at the end of each line */
}

/* A backslash and the end of the line are nothing at all. */
static int skip_continuation (scan_t *self)
{
    size_t len = self->end - self->at >= 2 && self->at[0] == '\\' && self->at[1] == '\n' ? 2
                 : self->end - self->at >= 3 && !memcmp (self->at, "\\\r\n", 3) ? 3 : 0;

    self->at += len;
    self->line += len > 0;
    return len > 0;
}

static void skip_comment (scan_t *self)
{
    while (self->at < self->end && *self->at != '\n')
        self->at++;
}

/* Up to the closing quote. A backslash within '' is one; within "" it takes away the meaning of what has one
 * there. */
static int scan_quoted (scan_t *self, size_t *len)
{
    char quote = *self->at++;
    int line = self->line;

    while (self->at < self->end && *self->at != quote) {
        if (quote == '"' && skip_continuation (self))
            continue;
        if (quote == '"' && self->at[0] == '\\' && self->end - self->at > 1 && strchr ("\"\\$`", self->at[1]))
            self->at++;
        self->line += *self->at == '\n';
        self->word[(*len)++] = *self->at++;
    }
    if (self->at >= self->end)
        return mpl__err (self->err, EINVAL, "%s:%d: the quote %c is not closed; what begins with one ends with one",
                         self->words->file, line, quote);
    self->at++;
    return 0;
}

static int scan_word (scan_t *self)
{
    size_t len = 0;

    while (self->at < self->end && *self->at != '\n' && !is_blank (*self->at)) {
        if (skip_continuation (self))
            continue;
        if (*self->at == '\'' || *self->at == '"') {
            if (scan_quoted (self, &len) < 0)
                return -1;
            continue;
        }
        if (*self->at == '\\' && ++self->at == self->end)
            return mpl__err (self->err, EINVAL,
                             "%s:%d: a backslash is the last character; there is nothing that it could stand before",
                             self->words->file, self->line);
        self->word[len++] = *self->at++;
    }
    return add (self, self->word, len);
}

/* The colon belongs before the first word of a line, not behind the last of one: comments and blank lines may
 * follow. */
static int begin_line (scan_t *self)
{
    if (self->is_line_begun)
        return 0;
    self->is_line_begun = 1;
    return self->words->n ? add (self, ":", 1) : 0;
}

static int scan (scan_t *self)
{
    while (self->at < self->end) {
        if (*self->at == '\n') {
            self->line++;
            self->is_line_begun = 0;
            self->at++;
        } else if (is_blank (*self->at)) {
            self->at++;
        } else if (*self->at == '#') {
            skip_comment (self);
        } else if (!skip_continuation (self) && (begin_line (self) < 0 || scan_word (self) < 0)) {
            return -1;
        }
    }
    return 0;
}

int mpl__configfile_parse (mpl_words_t *words, mpl_store_t *store, const char *path, const char *text, size_t len,
                           mpl_err_t *err)
{
    scan_t self = { .at = text, .end = text + len, .line = 1, .words = words, .store = store, .err = err };
    const char *nul = memchr (text, '\0', len);

    *words = (mpl_words_t) { .file = path };
    for (const char *c = text; nul && c < nul; c++)
        self.line += *c == '\n';
    if (nul)
        return mpl__err (err, EINVAL, "%s:%d: there is a NUL byte; this is no text", path, self.line);
    if (!(self.word = malloc (len + 1)))
        return no_memory (&self);
    int rc = scan (&self);
    free (self.word);
    return rc;
}

int mpl__configfile_read (mpl_words_t *words, mpl_store_t *store, const char *path, mpl_err_t *err)
{
    size_t len;
    char *text = mpl__text_read (path, MPL__CONFIGFILE_MAX, "a configfile", &len, err);

    if (!text)
        return -1;
    int rc = mpl__configfile_parse (words, store, path, text, len, err);
    free (text);
    return rc;
}
