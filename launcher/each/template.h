/* template.h - from a command with places for the input to the arguments of one job: {} and its kin, and a shell
 * only where the command needs one. A script never holds an input: it has "${1}" and so on in the places, and the
 * inputs are its parameters, so they are data. Pure. */
#ifndef LAUNCHER_EACH_TEMPLATE_H
#define LAUNCHER_EACH_TEMPLATE_H

#include <stddef.h>

/* The places, as in GNU parallel. With several sources {} is all of a job's inputs with blanks between, {1} the
 * first source's and so on.
 *      {}   {1}     the input              {/}  {1/}    without its folders       {//} {1//}   its folder ("." when it has none)
 *      {.}  {1.}    without its ending     {/.} {1/.}   without both              {#}  the job's number    {%}  its worker's number */
typedef struct {
    char *const *words;                 /* of the command; borrowed */
    size_t n;
    const char *replace;                /* what stands for {}; borrowed */
    int needs_shell;                    /* it is one word with blanks, pipes or the like */
    int has_place;                      /* it has any of these; else the inputs go behind it */
} mpl_template_t;

void mpl__template_init (mpl_template_t *self, char *const *words, size_t n, const char *replace);

/* One job's inputs and numbers. */
typedef struct {
    char *const *inputs;
    size_t n;
    unsigned long number;               /* from 1 on */
    unsigned slot;                      /* of its worker, from 1 on */
} mpl_job_words_t;

/* The arguments, NULL at the end: one block of memory, the caller's to free. NULL: ENOMEM. */
char **mpl__template_fill (const mpl_template_t *self, const mpl_job_words_t *job);

/* The same as one line of text, each word quoted where a shell would need it; the caller's to free. NULL: ENOMEM. */
char *mpl__template_text (const mpl_template_t *self, const mpl_job_words_t *job);

#endif
