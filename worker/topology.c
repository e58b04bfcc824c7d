#include "worker/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mpl__topology_free (mpl_topology_t *self)
{
    free (self->pus);
    *self = (mpl_topology_t) { .pus = NULL };
}

#ifdef MPL_HWLOC

#include "worker/cpuset.h"

#include <dlfcn.h>
#include <hwloc.h>

/* What hwloc 2 calls itself; its interface has been the same since 2.0. */
#define LIBRARY "libhwloc.so.15"

/* The functions that are used, with the types that hwloc.h gives them. */
#define FUNCTIONS(DO)                                                                                                  \
    DO (topology_init)                                                                                                 \
    DO (topology_set_all_types_filter)                                                                                 \
    DO (topology_set_type_filter)                                                                                      \
    DO (topology_load)                                                                                                 \
    DO (topology_is_thissystem)                                                                                        \
    DO (topology_destroy)                                                                                              \
    DO (get_type_depth)                                                                                                \
    DO (get_nbobjs_by_depth)                                                                                           \
    DO (get_obj_by_depth)

typedef struct {
    void *handle;
#define AS_MEMBER(name) __typeof__ (&hwloc_##name) name;
    FUNCTIONS (AS_MEMBER)
#undef AS_MEMBER
} library_t;

static int open_library (library_t *self, mpl_err_t *err)
{
    self->handle = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!self->handle)
        return mpl__err (err, ENOTSUP, "binding to cores needs libhwloc (Debian: libhwloc15)");
#define LOOK_UP(name)                                                                                                  \
    if (!(self->name = (__typeof__ (self->name)) dlsym (self->handle, "hwloc_" #name))) {                              \
        dlclose (self->handle);                                                                                        \
        return mpl__err (err, ENOTSUP, "binding to cores needs a newer libhwloc: " LIBRARY " has no hwloc_" #name);    \
    }
    FUNCTIONS (LOOK_UP)
#undef LOOK_UP
    return 0;
}

/* Nothing but cores and sockets, besides what cannot be left out: caches, groups and devices would cost time. */
static int load (const library_t *lib, hwloc_topology_t *topology)
{
    if (lib->topology_init (topology) < 0)
        return -1;
    if (lib->topology_set_all_types_filter (*topology, HWLOC_TYPE_FILTER_KEEP_NONE) == 0
        && lib->topology_set_type_filter (*topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL) == 0
        && lib->topology_set_type_filter (*topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL) == 0
        && lib->topology_load (*topology) == 0)
        return 0;
    lib->topology_destroy (*topology);
    return -1;
}

/* What contains it and is of that type; NULL: hwloc does not know. */
static hwloc_obj_t find_above (hwloc_obj_t pu, hwloc_obj_type_t type)
{
    hwloc_obj_t above = pu->parent;

    while (above && above->type != type)
        above = above->parent;
    return above;
}

/* hwloc has the units in the order of its tree, so those of a core and of a socket stand side by side. `usable`:
 * NULL for all. */
static void fill (mpl_topology_t *self, const library_t *lib, hwloc_topology_t topology, const mpl_cpuset_t *usable)
{
    int depth = lib->get_type_depth (topology, HWLOC_OBJ_PU);
    unsigned n = lib->get_nbobjs_by_depth (topology, depth);
    hwloc_obj_t last_core = NULL, last_socket = NULL;

    for (unsigned i = 0; i < n; i++) {
        hwloc_obj_t pu = lib->get_obj_by_depth (topology, depth, i);
        hwloc_obj_t core = find_above (pu, HWLOC_OBJ_CORE), socket = find_above (pu, HWLOC_OBJ_PACKAGE);
        if (usable && !mpl__cpuset_has (usable, (int) pu->os_index))
            continue;
        if (!core || core != last_core)
            self->n_cores++;
        if (!self->n || socket != last_socket)
            self->n_sockets++;
        last_core = core;
        last_socket = socket;
        self->pus[self->n++] = (mpl_pu_t) { (int) pu->os_index, self->n_cores - 1, self->n_sockets - 1 };
    }
}

static int convert (mpl_topology_t *self, const library_t *lib, hwloc_topology_t topology, mpl_err_t *err)
{
    mpl_cpuset_t usable = { .bits = NULL };
    int is_ours = lib->topology_is_thissystem (topology);
    int n = (int) lib->get_nbobjs_by_depth (topology, lib->get_type_depth (topology, HWLOC_OBJ_PU));

    self->pus = calloc ((size_t) n + 1, sizeof *self->pus);
    if (!self->pus || (is_ours && mpl__cpuset_of_self (&usable) < 0))
        return mpl__err (err, ENOMEM, "no memory for the list of %d processing units", n);
    fill (self, lib, topology, is_ours ? &usable : NULL);
    mpl__cpuset_free (&usable);
    return self->n ? 0 : mpl__err (err, EIO, "hwloc knows none of the processing units that this process may use");
}

int mpl__topology_read (mpl_topology_t *self, mpl_err_t *err)
{
    hwloc_topology_t topology;
    library_t lib = { .handle = NULL };

    *self = (mpl_topology_t) { .pus = NULL };
    if (open_library (&lib, err) < 0)
        return -1;
    int rc = load (&lib, &topology);
    if (rc < 0) {
        mpl__err (err, EIO, "hwloc cannot find out what cores there are: %s", strerror (errno));
    } else {
        rc = convert (self, &lib, topology, err);
        lib.topology_destroy (topology);
    }
    if (rc < 0)
        mpl__topology_free (self);
    dlclose (lib.handle);
    return rc;
}

#else

int mpl__topology_read (mpl_topology_t *self, mpl_err_t *err)
{
    *self = (mpl_topology_t) { .pus = NULL };
    return mpl__err (err, ENOTSUP,
                     "binding to cores needs libhwloc (Debian: libhwloc15), and this build is without it");
}

#endif
