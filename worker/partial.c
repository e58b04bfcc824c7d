#include "worker/partial.h"
#include "base/clock.h"

#include <limits.h>
#include <stddef.h>
#include <time.h>

#define IDLE_TICKS 5            /* this many quiet looks, and it sleeps until it is armed again */
#define STACK_BYTES (128u * 1024)

/* One worker a process, so one thread a process. `armed` is guarded by the outbox's lock. */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static enum { ABSENT, ASLEEP, ARMED } state;

/* The item and chunk seen at the last look. */
typedef struct { uint64_t item, chunk; } seen_t;

static seen_t look (const mpl_page_t *page)
{
    return (seen_t) { atomic_load_explicit (&page->item, memory_order_acquire),
                      atomic_load_explicit (&page->chunk, memory_order_acquire) };
}

/* The same item as at the last look is still running: everything before it goes out. */
static void send_finished (mpl_outbox_t *outbox, seen_t now)
{
    if (outbox->chunk == now.chunk && now.item > 0)
        mpl__outbox_cut (outbox, outbox->out_size == (size_t) -1 ? outbox->from + outbox->n_lens : (uint32_t) now.item - 1,
                         mpl__clock_ns ());
    mpl__outbox_flush (outbox);
}

static void *partial_thread (void *arg)
{
    mpl_outbox_t *outbox = arg;
    const struct timespec pause = { .tv_nsec = MPL__PARTIAL_NS };
    seen_t before = { 0, 0 };
    int quiet = 0;

    pthread_mutex_lock (&outbox->lock);
    for (;;) {
        while (state != ARMED)
            pthread_cond_wait (&wake, &outbox->lock);
        pthread_mutex_unlock (&outbox->lock);
        nanosleep (&pause, NULL);
        pthread_mutex_lock (&outbox->lock);
        seen_t now = look (outbox->page);
        if (!outbox->is_idle && now.item && now.item == before.item && now.chunk == before.chunk)
            send_finished (outbox, now);
        before = now;
        quiet = outbox->is_idle ? quiet + 1 : 0;
        if (quiet == IDLE_TICKS) {
            quiet = 0;
            state = ASLEEP;
        }
    }
    return NULL;
}

static void start (mpl_outbox_t *outbox)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (pthread_attr_init (&attr))
        return;
    pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize (&attr, STACK_BYTES < PTHREAD_STACK_MIN ? (size_t) PTHREAD_STACK_MIN : STACK_BYTES);
    if (pthread_create (&thread, &attr, partial_thread, outbox) == 0)
        state = ARMED;
    pthread_attr_destroy (&attr);
}

void mpl__partial_arm (mpl_outbox_t *outbox)
{
    if (state == ABSENT) {
        start (outbox);
    } else if (state == ASLEEP) {
        state = ARMED;
        pthread_cond_signal (&wake);
    }
}
