/* reader.h - a command line while it is being read: which word comes next, what is known so far, and how something
 * wrong is said. Private to options.c and values.c. A reader that has run out of memory goes on, and it is said at
 * the end. */
#ifndef LAUNCHER_READER_H
#define LAUNCHER_READER_H

#include "launcher/configfile.h"
#include "launcher/options.h"

#include <stddef.h>

#define MPL__GO_ON (-1)                 /* everything else is an exit code */
#define MPL__USAGE 2
#define MPL__WORD "'%.200s'"            /* a word of the user, in a sentence that is to stay one line */

typedef struct {
    mpl_options_t *options;
    mpl_words_t words;
    size_t at;                          /* the word that comes next */
    int line;                           /* of the word that is judged, in a file; 0: none is */
    int has_own;                        /* an option of a program has been read, so a program has begun */
    int is_out_of_memory;
    mpl_texts_t genv;                   /* "NAME=value" for all programs */
    mpl_texts_t gkept;
    mpl_env_keep_t gkeep;
    int has_keep;                       /* the program says itself what it gets of the environment */
    mpl_texts_t each;                   /* options and their values for --each */
    const char *jobs;                   /* after -n or -j with --each; NULL: neither */
} mpl_reader_t;

/* An option as its user wrote it. */
typedef struct {
    const char *as;                     /* with its dashes, without "=value" */
    const char *name;
    size_t len;                         /* of the name */
    int dashes;
    const char *value;                  /* behind the "=" or in the next word; NULL: none */
    const char *right;                  /* what a right value is; NULL: it takes none */
} mpl_written_t;

/* Says what is wrong in one line, whatever is in the words of the user, with its place in a file. Returns
 * MPL__USAGE. */
int mpl__reader_refuse (const mpl_reader_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* Says it as well, unless -q has been read. */
void mpl__reader_warn (const mpl_reader_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* The program that is being read. */
mpl_app_t *mpl__reader_app (const mpl_reader_t *self);

/* Appends a text to a list. NULL is what a failed allocation made. */
void mpl__reader_add (mpl_reader_t *self, mpl_texts_t *texts, const char *text);

/* Texts that stay as long as the options: len bytes, or two texts and what stands between them. NULL: no memory. */
const char *mpl__reader_keep (mpl_reader_t *self, const char *text, size_t len);
const char *mpl__reader_join (mpl_reader_t *self, const char *a, const char *between, const char *b);

#endif
