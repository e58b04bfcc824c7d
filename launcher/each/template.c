#include "launcher/each/template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%^"
#define SHELL_SIGNS " \t\n|&;<>()$`\\\"'*?[]#~!"

/* ---- text that grows ------------------------------------------------------------------------------------------- */

typedef struct {
    char *bytes;
    size_t len, room;
    int is_short;                       /* of memory */
} text_t;

static void put (text_t *self, const char *bytes, size_t len)
{
    if (!len)
        return;
    if (self->len + len > self->room) {
        size_t room = (self->len + len) * 2 + 64;
        char *grew = realloc (self->bytes, room);
        if (!grew) {
            self->is_short = 1;
            return;
        }
        self->bytes = grew;
        self->room = room;
    }
    memcpy (self->bytes + self->len, bytes, len);
    self->len += len;
}

/* In single quotes, within which a shell changes nothing; a quote itself goes outside of them. */
static void put_quoted (text_t *self, const char *bytes, size_t len)
{
    size_t safe = 0;

    while (safe < len && strchr (SAFE, bytes[safe]))
        safe++;
    if (len && safe == len) {
        put (self, bytes, len);
        return;
    }
    put (self, "'", 1);
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\'')
            put (self, "'\\''", 4);
        else
            put (self, bytes + i, 1);
    put (self, "'", 1);
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

typedef enum { WHOLE, NO_ENDING, NO_FOLDERS, FOLDER, NEITHER, NUMBER, SLOT } what_t;

typedef struct {
    what_t what;
    size_t source;                      /* 0: all of them */
} place_t;

/* Reads a place at the beginning of text; its length, 0: there is none. */
static size_t read_place (const mpl_template_t *self, const char *text, place_t *place)
{
    static const struct { const char *sign; what_t what; } kinds[] = {
        { "/.}", NEITHER }, { "//}", FOLDER }, { "/}", NO_FOLDERS }, { ".}", NO_ENDING }, { "#}", NUMBER }, { "%}", SLOT }, { "}", WHOLE },
    };
    size_t len = strlen (self->replace), at = 1;

    *place = (place_t) { WHOLE, 0 };
    if (!strncmp (text, self->replace, len))
        return len;
    if (*text != '{')
        return 0;
    for (; text[at] >= '0' && text[at] <= '9' && at < 4; at++)
        place->source = place->source * 10 + (size_t) (text[at] - '0');
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp (text + at, kinds[i].sign, strlen (kinds[i].sign))) {
            place->what = kinds[i].what;
            int is_bare = place->what == WHOLE && at == 1,
                has_no_source = place->what == NUMBER || place->what == SLOT;
            if (is_bare || (has_no_source && at > 1))       /* "{}" where something else stands for the input */
                return 0;
            return at + strlen (kinds[i].sign);
        }
    return 0;
}

/* What of an input a place is about: a part of it, except for "." where there is no folder. */
static const char *part_of (const char *input, what_t what, size_t *len)
{
    const char *slash = strrchr (input, '/'), *name = slash ? slash + 1 : input;
    const char *dot = strrchr (name, '.');
    size_t whole = strlen (input), to_dot = dot ? (size_t) (dot - input) : whole;

    switch (what) {
    case NO_ENDING:
        *len = to_dot;
        return input;
    case NO_FOLDERS:
        *len = strlen (name);
        return name;
    case NEITHER:
        *len = to_dot - (size_t) (name - input);
        return name;
    case FOLDER:
        *len = slash ? slash == input ? 1 : (size_t) (slash - input) : 1;
        return slash ? input : ".";
    default:
        *len = whole;
        return input;
    }
}

static void put_place (text_t *to, const place_t *place, const mpl_job_words_t *job, int is_quoted)
{
    char number[32];
    size_t len, first = place->source ? place->source - 1 : 0, last = place->source ? place->source : job->n;

    if (place->what == NUMBER || place->what == SLOT) {
        put (to, number,
             (size_t) snprintf (number, sizeof number, "%lu", place->what == NUMBER ? job->number : job->slot));
        return;
    }
    for (size_t i = first; i < last && i < job->n; i++) {
        const char *part = part_of (job->inputs[i], place->what, &len);
        if (i > first)
            put (to, " ", 1);
        if (is_quoted)
            put_quoted (to, part, len);
        else
            put (to, part, len);
    }
}

/* As it is shown to people; what a shell runs is made by put_script. */
static void put_word (text_t *to, const mpl_template_t *self, const char *word, const mpl_job_words_t *job)
{
    place_t place;

    while (*word) {
        size_t len = read_place (self, word, &place);
        if (len)
            put_place (to, &place, job, self->needs_shell);
        else
            put (to, word, len = 1);
        word += len;
    }
}

static int has_place (const mpl_template_t *self, const char *word)
{
    place_t place;

    for (; *word; word++)
        if (read_place (self, word, &place))
            return 1;
    return 0;
}

/* ---- filling --------------------------------------------------------------------------------------------------- */

void mpl__template_init (mpl_template_t *self, char *const *words, size_t n, const char *replace)
{
    *self = (mpl_template_t) { .words = words, .n = n, .replace = replace };
    /* A command of several words was taken apart by the user's shell already: what it left is meant as it stands. */
    self->needs_shell = n == 1 && words[0][strcspn (words[0], SHELL_SIGNS)] != '\0';
    for (size_t i = 0; i < n; i++)
        self->has_place |= has_place (self, words[i]);
}

/* Follows a script and knows which quotes surround its end: \', ", `, ( of $( and ) of a parenthesis in that. A
 * mistake here would cost a value its blanks; it cannot make it code. */
typedef struct {
    char open[64];
    size_t depth;
    int is_escaped;
    char before;
} quotes_t;

static char innermost (const quotes_t *self)
{
    return self->depth ? self->open[self->depth - 1] : '\0';
}

static void open_one (quotes_t *self, char what)
{
    if (self->depth < sizeof self->open)
        self->open[self->depth++] = what;
}

static void scan (quotes_t *self, char c)
{
    char in = innermost (self), before = self->before;

    self->before = c;
    if (self->is_escaped)
        self->is_escaped = 0;
    else if (in == '\'')
        self->depth -= c == '\'';
    else if (c == '\\')
        self->is_escaped = 1;
    else if (in == c && (c == '"' || c == '`'))
        self->depth--;
    else if (c == '"' || c == '`' || (c == '(' && before == '$') || (c == '\'' && in != '"'))
        open_one (self, c);
    else if (c == '(' && in && in != '"')
        open_one (self, ')');
    else if (c == ')' && (in == '(' || in == ')'))
        self->depth--;
}

/* In place of a value: a parameter of the script, in double quotes so that it stays one word. So the value is
 * never read as code, whatever stands around it: quotes put around the value itself would mean nothing within the
 * user's "..." or a here-document. */
static void put_parameters (text_t *to, text_t *values, char in, const place_t *place, const mpl_job_words_t *job,
                            size_t *n)
{
    int is_one = place->source || place->what == NUMBER || place->what == SLOT;
    const char *before = in == '"'    ? ""
                         : in == '\'' ? "'\""
                                      : "\"",
               *after = in == '"'    ? ""
                        : in == '\'' ? "\"'"
                                     : "\"";
    char name[48];

    for (size_t i = 0; i < (is_one ? 1 : job->n); i++) {
        place_t one = { place->what, is_one ? place->source : i + 1 };
        put (to, name, (size_t) snprintf (name, sizeof name, "%s%s${%zu}%s", i ? " " : "", before, ++*n, after));
        put_place (values, &one, job, 0);
        put (values, "", 1);
    }
}

/* The script and, each with its NUL, the values it has as parameters; how many these are. */
static size_t put_script (const mpl_template_t *self, const mpl_job_words_t *job, text_t *to, text_t *values)
{
    quotes_t quotes = { .depth = 0 };
    place_t place, all = { WHOLE, 0 };
    size_t n = 0, len;

    for (const char *at = self->words[0]; *at; at += len) {
        if ((len = read_place (self, at, &place))) {
            put_parameters (to, values, innermost (&quotes), &place, job, &n);
            quotes.is_escaped = quotes.before = 0;
            continue;
        }
        scan (&quotes, *at);
        put (to, at, len = 1);
    }
    if (!self->has_place) {
        put (to, " ", 1);
        put_parameters (to, values, '\0', &all, job, &n);
    }
    return n;
}

static size_t fill_script (const mpl_template_t *self, const mpl_job_words_t *job, text_t *to)
{
    text_t values = { .bytes = NULL };

    put (to, "/bin/sh\0-c", sizeof "/bin/sh\0-c");
    size_t n = put_script (self, job, to, &values);
    put (to, "\0sh", sizeof "\0sh");
    if (values.len)
        put (to, values.bytes, values.len);
    to->is_short |= values.is_short;
    free (values.bytes);
    return n + 4;
}

/* All words with a NUL behind each; how many they are. */
static size_t fill_words (const mpl_template_t *self, const mpl_job_words_t *job, text_t *to)
{
    size_t n = self->n;

    if (self->needs_shell)
        return fill_script (self, job, to);
    for (size_t i = 0; i < self->n; i++) {
        put_word (to, self, self->words[i], job);
        put (to, "", 1);
    }
    for (size_t i = 0; i < job->n && !self->has_place; i++, n++)
        put (to, job->inputs[i], strlen (job->inputs[i]) + 1);
    return n;
}

char **mpl__template_fill (const mpl_template_t *self, const mpl_job_words_t *job)
{
    text_t text = { .bytes = NULL };
    size_t n = fill_words (self, job, &text);
    char **words = text.is_short ? NULL : malloc ((n + 1) * sizeof *words + text.len);

    if (words) {
        char *at = (char *) (words + n + 1);
        memcpy (at, text.bytes, text.len);
        for (size_t i = 0; i < n; i++, at += strlen (at) + 1)
            words[i] = at;
        words[n] = NULL;
    }
    free (text.bytes);
    if (!words)
        errno = ENOMEM;
    return words;
}

char *mpl__template_text (const mpl_template_t *self, const mpl_job_words_t *job)
{
    char **words = mpl__template_fill (self, job);
    text_t text = { .bytes = NULL };

    if (!words)
        return NULL;
    if (self->needs_shell) {
        place_t all = { WHOLE, 0 };
        put_word (&text, self, self->words[0], job);
        if (!self->has_place) {
            put (&text, " ", 1);
            put_place (&text, &all, job, 1);
        }
    } else {
        for (size_t i = 0; words[i]; i++) {
            put (&text, " ", i > 0);
            put_quoted (&text, words[i], strlen (words[i]));
        }
    }
    put (&text, "", 1);
    free (words);
    if (text.is_short) {
        free (text.bytes);
        errno = ENOMEM;
        return NULL;
    }
    return text.bytes;
}
