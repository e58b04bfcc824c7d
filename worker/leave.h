/* leave.h - how a held process ends: nurseries and workers are copies of the user's program, and its atexit handlers and
 * destructors are main's to run. */
#ifndef WORKER_LEAVE_H
#define WORKER_LEAVE_H

/* Leaves by _exit, with what was printed flushed. Instrumented builds write their findings first. */
_Noreturn void mpl__leave (int status);

#endif
