/* bytes.h - numbers as bytes, little end first, whatever the machine. Compilers turn each of these into one move. */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void mpl__put16 (uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t) value;
    at[1] = (uint8_t) (value >> 8);
}

static inline void mpl__put32 (uint8_t *at, uint32_t value)
{
    mpl__put16 (at, (uint16_t) value);
    mpl__put16 (at + 2, (uint16_t) (value >> 16));
}

static inline void mpl__put64 (uint8_t *at, uint64_t value)
{
    mpl__put32 (at, (uint32_t) value);
    mpl__put32 (at + 4, (uint32_t) (value >> 32));
}

static inline uint16_t mpl__get16 (const uint8_t *at)
{
    return (uint16_t) (at[0] | at[1] << 8);
}

static inline uint32_t mpl__get32 (const uint8_t *at)
{
    return mpl__get16 (at) | (uint32_t) mpl__get16 (at + 2) << 16;
}

static inline uint64_t mpl__get64 (const uint8_t *at)
{
    return mpl__get32 (at) | (uint64_t) mpl__get32 (at + 4) << 32;
}

#endif
