#include "base/system_memory.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

static void setup(void)
{
    strcpy(root, "/tmp/levee-memory-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(root), NULL));
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(system_memory, .init = setup, .fini = teardown);

/* A file below root, with its directories. */
static void put(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    file = fopen(path, "w");
    cr_assert(ne(ptr, file, NULL));
    fputs(text, file);
    fclose(file);
}

static struct system_memory read_all(void)
{
    struct system_memory memory;

    system_memory_read(root, &memory);
    return memory;
}

static const char meminfo[] = "MemTotal:        8000000 kB\nMemFree:  1 kB\n";

Test(system_memory, a_machine_without_limits_gives_three_quarters)
{
    struct system_memory memory;

    put("/proc/meminfo", meminfo);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "max\n");
    memory = read_all();
    cr_assert(eq(u64, memory.machine_bytes, 8000000ULL * 1024));
    cr_assert(eq(u64, memory.cgroup_bytes, 0));
    cr_assert(eq(u64, system_memory_share(&memory), 6000000ULL * 1024));
}

Test(system_memory, the_smallest_limit_on_the_way_up_counts)
{
    struct system_memory memory;

    put("/proc/meminfo", meminfo);
    put("/proc/self/cgroup", "0::/system.slice/levee.service\n");
    put("/sys/fs/cgroup/system.slice/levee.service/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "268435456\n");
    put("/sys/fs/cgroup/memory.max", "536870912\n");
    memory = read_all();
    cr_assert(eq(u64, memory.cgroup_bytes, 268435456));
    cr_assert(eq(u64, system_memory_share(&memory), 268435456));
}

Test(system_memory, in_a_container_the_mount_point_counts)
{
    put("/proc/meminfo", meminfo);
    put("/proc/self/cgroup", "0::/../../docker/0123\n");
    put("/sys/fs/cgroup/memory.max", "134217728\n");
    cr_assert(eq(u64, read_all().cgroup_bytes, 134217728));
}

Test(system_memory, version_1_has_its_own_file_and_a_number_for_no_limit)
{
    struct system_memory memory;

    put("/proc/meminfo", meminfo);
    put("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    memory = read_all();
    cr_assert(eq(u64, system_memory_share(&memory), 6000000ULL * 1024));
    put("/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "300000000\n");
    memory = read_all();
    cr_assert(eq(u64, system_memory_share(&memory), 300000000));
}

Test(system_memory, nothing_known_is_said)
{
    struct system_memory memory = read_all();

    cr_assert(eq(u64, system_memory_share(&memory), 0));
}
