/* clock.h - the one clock that decides anything: CLOCK_MONOTONIC, which no administrator and no NTP step can set. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define MPL__NS_PER_MS 1000000u
#define MPL__NS_PER_S 1000000000u

/* An instant that never comes. */
#define MPL__NEVER UINT64_MAX

/* Nanoseconds of monotonic time. Any thread; about 25 ns. */
uint64_t mpl__clock_ns (void);

/* The same of CLOCK_BOOTTIME, which goes on while the machine is suspended: for leases, and never mixed with the
 * other. */
uint64_t mpl__clock_boot_ns (void);

/* The instant timeout_ms milliseconds from now; MPL__NEVER when timeout_ms is negative. */
uint64_t mpl__clock_in_ms (int timeout_ms);

/* What poll (2) and epoll_wait (2) want to be told to wake at instant `at`: milliseconds rounded up, -1 for
 * MPL__NEVER. */
int mpl__clock_poll_ms (uint64_t at, uint64_t now);

#endif
