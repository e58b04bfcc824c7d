#include "worker/watch.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define LOOK_MIN_NS (5 * (uint64_t) MPL__NS_PER_MS)
#define LOOK_MAX_NS ((uint64_t) MPL__NS_PER_S)
#define MEMORY_LOOK_NS (50 * (uint64_t) MPL__NS_PER_MS)

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int mpl__watch_time (mpl_watch_t *self, const mpl_page_t *page, uint64_t timeout_ns, uint64_t now, uint64_t *due)
{
    if (!timeout_ns)
        return 0;
    uint64_t look = timeout_ns / 10;
    look = look < LOOK_MIN_NS ? LOOK_MIN_NS : look > LOOK_MAX_NS ? LOOK_MAX_NS : look;
    uint64_t chunk = atomic_load_explicit (&page->chunk, memory_order_acquire);
    uint64_t item = atomic_load_explicit (&page->item, memory_order_acquire);
    *due = earlier (*due, now + look);
    if (item == 0 || item != self->item || chunk != self->chunk) {
        self->since = item == 1 ? atomic_load_explicit (&page->began_at, memory_order_relaxed) : now;
        self->chunk = chunk;
        self->item = item;
        if (item == 0)
            return 0;
    }
    *due = earlier (*due, self->since + timeout_ns);
    return now >= self->since && now - self->since >= timeout_ns;
}

static size_t resident_bytes (pid_t pid)
{
    char path[64];
    size_t pages = 0;

    snprintf (path, sizeof path, "/proc/%d/statm", (int) pid);
    FILE *file = fopen (path, "re");
    if (!file)
        return 0;
    if (fscanf (file, "%*u %zu", &pages) != 1)
        pages = 0;
    fclose (file);
    return pages * (size_t) sysconf (_SC_PAGESIZE);
}

int mpl__watch_memory (mpl_watch_t *self, pid_t pid, size_t memory, uint64_t now, uint64_t *due)
{
    if (!memory)
        return 0;
    if (now >= self->memory_at) {
        size_t resident = resident_bytes (pid);
        self->memory_at = now + MEMORY_LOOK_NS;
        if (!self->base_bytes)
            self->base_bytes = resident < 64u << 20 ? resident : 64u << 20;
        if (resident > self->base_bytes + memory)
            return 1;
    }
    *due = earlier (*due, self->memory_at);
    return 0;
}

int mpl__watch_is_near_limit (uint64_t peak_bytes, size_t memory)
{
    return memory && peak_bytes >= memory - memory / 8;
}
