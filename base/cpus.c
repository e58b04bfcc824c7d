#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int affinity_cpus (void)
{
    /* A machine may have more cores than cpu_set_t has bits: the mask grows until the kernel is content. */
    for (int bits = 1024; bits <= 1 << 20; bits *= 2) {
        cpu_set_t *set = CPU_ALLOC ((size_t) bits);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE ((size_t) bits);
        int found = sched_getaffinity (0, size, set) == 0 ? CPU_COUNT_S (size, set) : 0;
        CPU_FREE (set);
        if (found > 0)
            return found;
    }
    return 1;
}

static int quota_to_cpus (long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return INT_MAX;
    long long cpus = (quota + period - 1) / period;
    return cpus < 1 ? 1 : cpus > INT_MAX ? INT_MAX : (int) cpus;
}

/* Reads "200000 100000" or "max 100000"; a file that is missing sets no limit. */
static int read_v2 (const char *path)
{
    char quota[32];
    long long period = 0;
    FILE *file = fopen (path, "re");

    if (!file)
        return INT_MAX;
    int n = fscanf (file, "%31s %lld", quota, &period);
    fclose (file);
    return n == 2 && strcmp (quota, "max") ? quota_to_cpus (atoll (quota), period) : INT_MAX;
}

static long long read_number (const char *path)
{
    long long value = -1;
    FILE *file = fopen (path, "re");

    if (!file)
        return -1;
    if (fscanf (file, "%lld", &value) != 1)
        value = -1;
    fclose (file);
    return value;
}

static int read_v1 (const char *folder)
{
    char path[PATH_MAX + 64];

    snprintf (path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    long long quota = read_number (path);
    snprintf (path, sizeof path, "%s/cpu.cfs_period_us", folder);
    return quota_to_cpus (quota, read_number (path));
}

/* A limit holds for everything below it, so each folder from the process's own up to the root counts. */
static int lowest_up (const char *mount, char *group, int (*read_limit) (const char *), const char *file)
{
    int lowest = INT_MAX;

    for (;;) {
        char path[PATH_MAX + 32];
        snprintf (path, sizeof path, "%s%s%s", mount, group, file);
        int here = read_limit (path);
        lowest = here < lowest ? here : lowest;
        char *slash = strrchr (group, '/');
        if (!slash)
            return lowest;
        *slash = '\0';
    }
}

static int cgroup_cpus (void)
{
    char line[PATH_MAX];
    int lowest = INT_MAX;
    FILE *file = fopen ("/proc/self/cgroup", "re");

    if (!file)
        return INT_MAX;
    while (fgets (line, sizeof line, file)) {
        line[strcspn (line, "\n")] = '\0';
        char *controllers = strchr (line, ':');
        char *group = controllers ? strchr (controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        int here = INT_MAX;
        if (!*controllers)
            here = lowest_up ("/sys/fs/cgroup", group, read_v2, "/cpu.max");
        else if (!strcmp (controllers, "cpu") || !strcmp (controllers, "cpu,cpuacct"))
            here = lowest_up (!strcmp (controllers, "cpu") ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup/cpu,cpuacct",
                              group, read_v1, "");
        lowest = here < lowest ? here : lowest;
    }
    fclose (file);
    return lowest;
}

int mpl__cpus_usable (void)
{
    int mask = affinity_cpus ();
    int quota = cgroup_cpus ();

    return quota < mask ? quota : mask;
}
