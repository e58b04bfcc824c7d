/* assert.h - a check for our own mistakes, active in every build. Never for memory, descriptors, peers or files. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define mpl__assert(condition) ((condition) ? (void) 0 : mpl__assert_failed (#condition, __FILE__, __LINE__))

/* Prints one line on stderr and aborts. */
_Noreturn void mpl__assert_failed (const char *condition, const char *file, int line);

#endif
