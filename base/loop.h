/* loop.h - one thread's wait for descriptors, over epoll. It owns the sources, not their descriptors. A handler may
 * add and remove any source, its own included; it must not block. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

typedef struct mpl_loop mpl_loop_t;
typedef struct mpl_source mpl_source_t;

/* Something happened to the descriptor: events as from epoll_wait (2). */
typedef void (*mpl_ready_fn) (void *arg, uint32_t events);

mpl_loop_t *mpl__loop_new (void);
void mpl__loop_destroy (mpl_loop_t **self);

/* Watches fd (level-triggered) until the source is removed. NULL with errno. */
mpl_source_t *mpl__loop_add (mpl_loop_t *self, int fd, uint32_t events, mpl_ready_fn fn, void *arg);

/* Changes what is waited for. */
void mpl__loop_want (mpl_loop_t *self, mpl_source_t *source, uint32_t events);

/* Stops watching and frees *source; NULL is fine. To be called before its descriptor is closed. */
void mpl__loop_remove (mpl_loop_t *self, mpl_source_t **source);

/* Waits until something happens, at most until `deadline` (monotonic ns, MPL__NEVER), and calls the handlers. 0, or
 * -1. */
int mpl__loop_turn (mpl_loop_t *self, uint64_t deadline);

#endif
