/* inputs.h - where the inputs of the jobs come from: words of the command line, records of files, standard input;
 * of several sources every combination, the last one's changing fastest. The first source is read as it is needed,
 * so that it may be endless; the others are read whole. One thread. */
#ifndef LAUNCHER_EACH_INPUTS_H
#define LAUNCHER_EACH_INPUTS_H

#include "base/err.h"
#include "launcher/each/options.h"

typedef struct mpl_inputs mpl_inputs_t;

/* Opens and reads what has to be read at once. NULL with *err: a file that cannot be read, ENOMEM. The options
 * must stay. */
mpl_inputs_t *mpl__inputs_new (const mpl_each_options_t *options, mpl_err_t *err);

/* The inputs of the next job, one of each source, in a block that is the caller's to free. May block as long as a
 * file or pipe does. 1: *inputs is set; 0: there are no more; -1 with *err. */
int mpl__inputs_next (mpl_inputs_t *self, char ***inputs, mpl_err_t *err);

/* How many jobs there are in all; 0: not known before the first source is at its end. */
size_t mpl__inputs_total (const mpl_inputs_t *self);

void mpl__inputs_destroy (mpl_inputs_t **self);

#endif
