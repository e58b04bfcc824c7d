#include "launcher/each/feeder.h"

#include <errno.h>
#include <stdlib.h>

struct mpl_feeder {
    pthread_t thread;
    mpl_inputs_t *inputs;               /* the thread's */
    mpl_bell_t *bell;
    pthread_cond_t room;
    char **ring[MPL__FEEDER_AHEAD];
    size_t head, n;
    size_t total, n_read;
    int is_over, has_failed;
    mpl_err_t err;
};

static void *feed (void *arg)
{
    mpl_feeder_t *self = arg;
    char **inputs;
    int rc;

    do {
        mpl_err_t err = { 0 };
        rc = mpl__inputs_next (self->inputs, &inputs, &err);
        pthread_mutex_lock (&self->bell->lock);
        while (rc == 1 && self->n == MPL__FEEDER_AHEAD)
            pthread_cond_wait (&self->room, &self->bell->lock);
        if (rc == 1) {
            self->ring[(self->head + self->n++) % MPL__FEEDER_AHEAD] = inputs;
            self->n_read++;
        } else {
            self->is_over = 1;
            self->total = self->n_read;
            self->has_failed = rc < 0;
            self->err = err;
        }
        pthread_cond_signal (&self->bell->changed);
        pthread_mutex_unlock (&self->bell->lock);
    } while (rc == 1);
    return NULL;
}

mpl_feeder_t *mpl__feeder_new (mpl_inputs_t **inputs, mpl_bell_t *bell)
{
    mpl_feeder_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->inputs = *inputs;
    self->bell = bell;
    self->total = mpl__inputs_total (*inputs);
    pthread_cond_init (&self->room, NULL);
    errno = pthread_create (&self->thread, NULL, feed, self);
    if (errno) {
        free (self);
        return NULL;
    }
    *inputs = NULL;
    return self;
}

mpl_feed_t mpl__feeder_take (mpl_feeder_t *self, char ***inputs)
{
    if (!self->n)
        return !self->is_over ? MPL__FEED_NOTHING_YET : self->has_failed ? MPL__FEED_FAILED : MPL__FEED_END;
    *inputs = self->ring[self->head];
    self->head = (self->head + 1) % MPL__FEEDER_AHEAD;
    self->n--;
    pthread_cond_signal (&self->room);
    return MPL__FEED_INPUT;
}

size_t mpl__feeder_total (const mpl_feeder_t *self) { return self->total; }
const mpl_err_t *mpl__feeder_error (const mpl_feeder_t *self) { return &self->err; }

void mpl__feeder_end (mpl_feeder_t **self_p)
{
    static mpl_feeder_t *reading;       /* one that is left to the end of the process */
    mpl_feeder_t *self = *self_p;

    if (!self)
        return;
    *self_p = NULL;
    pthread_mutex_lock (&self->bell->lock);
    int is_over = self->is_over;
    pthread_mutex_unlock (&self->bell->lock);
    if (!is_over) {
        pthread_detach (self->thread);
        reading = self;
        (void) reading;
        return;
    }
    pthread_join (self->thread, NULL);
    for (char **inputs; mpl__feeder_take (self, &inputs) == MPL__FEED_INPUT;)
        free (inputs);
    mpl__inputs_destroy (&self->inputs);
    pthread_cond_destroy (&self->room);
    free (self);
}
