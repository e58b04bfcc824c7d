#include "base/clock.h"

#include <limits.h>
#include <time.h>

static uint64_t read_clock (clockid_t clock)
{
    struct timespec now;

    clock_gettime (clock, &now);
    return (uint64_t) now.tv_sec * MPL__NS_PER_S + (uint64_t) now.tv_nsec;
}

uint64_t mpl__clock_ns (void)
{
    return read_clock (CLOCK_MONOTONIC);
}

uint64_t mpl__clock_boot_ns (void)
{
    return read_clock (CLOCK_BOOTTIME);
}

uint64_t mpl__clock_in_ms (int timeout_ms)
{
    return timeout_ms < 0 ? MPL__NEVER : mpl__clock_ns () + (uint64_t) timeout_ms * MPL__NS_PER_MS;
}

int mpl__clock_poll_ms (uint64_t at, uint64_t now)
{
    if (at == MPL__NEVER)
        return -1;
    if (at <= now)
        return 0;
    uint64_t ms = (at - now + MPL__NS_PER_MS - 1) / MPL__NS_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int) ms;
}
