/* stage.h - a file that a launcher gives to a host for one launch: what an order says of it. On another host its
 * bytes follow the order, in the order's sequence, before any frame; on the launcher's own it is a link. The sum is
 * FNV-1a, by Fowler, Noll and Vo: it finds a broken copy, not a forged one; what carries it is ssh. */
#ifndef WIRE_STAGE_H
#define WIRE_STAGE_H

#include <stddef.h>
#include <stdint.h>

#define MPL__STAGE_MAX 1024u            /* files of one launch */

typedef struct {
    char *name;                         /* there: no folder in it */
    char *link;                         /* the path of the file itself, which is on that host; NULL: its bytes follow */
    uint64_t bytes, mode, sum;          /* mode: as chmod (2) takes it */
} mpl_stage_t;

#define MPL__SUM_BEGIN UINT64_C (14695981039346656037)

static inline uint64_t mpl__sum (uint64_t sum, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ ((const uint8_t *) bytes)[i]) * UINT64_C (1099511628211);
    return sum;
}

#endif
