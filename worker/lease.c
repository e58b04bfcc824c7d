#include "worker/lease.h"

void mpl__lease_begin (mpl_lease_t *self, uint64_t beat_ns, uint64_t self_end_ns, uint64_t now)
{
    *self = (mpl_lease_t) { .beat_ns = beat_ns, .self_end_ns = self_end_ns, .beat_at = now, .until = now + self_end_ns };
}

int mpl__lease_beat (mpl_lease_t *self, uint64_t now)
{
    if (!self->beat_ns || now < self->beat_at)
        return 0;
    self->beat_at = now + self->beat_ns;
    return 1;
}

void mpl__lease_answered (mpl_lease_t *self, uint64_t sent_at, uint64_t now)
{
    if (sent_at <= now && sent_at + self->self_end_ns > self->until)
        self->until = sent_at + self->self_end_ns;
}

void mpl__lease_pause (mpl_lease_t *self, int is_paused, uint64_t now)
{
    if (self->is_paused && !is_paused)
        self->until = now + self->self_end_ns;
    self->is_paused = is_paused;
}

int mpl__lease_is_over (const mpl_lease_t *self, uint64_t now)
{
    return self->beat_ns && !self->is_paused && now >= self->until;
}

uint64_t mpl__lease_due (const mpl_lease_t *self)
{
    if (!self->beat_ns)
        return UINT64_MAX;
    return self->is_paused || self->beat_at < self->until ? self->beat_at : self->until;
}
