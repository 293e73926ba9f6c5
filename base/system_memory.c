#include "base/system_memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_smaller(uint64_t *smallest, uint64_t bytes)
{
    if (bytes > 0 && (*smallest == 0 || bytes < *smallest))
        *smallest = bytes;
}

/* 0: no such file, or "max". */
static uint64_t read_number(const char *path)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return 0;
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* The limits of group (a path below mount, "/" or "/a/b") and of its parents. */
static void read_groups(const char *root, const char *mount, const char *name, const char *group,
                        uint64_t *smallest)
{
    char below[PATH_MAX];
    char path[PATH_MAX * 2];
    char *end;

    snprintf(below, sizeof(below), "%s", group);
    for (;;) {
        if (strstr(below, "/..") == NULL) { /* outside of this cgroup namespace */
            snprintf(path, sizeof(path), "%s%s%s/%s", root, mount, below, name);
            take_smaller(smallest, read_number(path));
        }
        end = strrchr(below, '/');
        if (end == NULL)
            return;
        *end = '\0';
    }
}

static bool names_memory(const char *controllers)
{
    for (const char *word = controllers; *word != '\0'; word += *word == ',') {
        size_t size = strcspn(word, ",");
        if (size == 6 && memcmp(word, "memory", 6) == 0)
            return true;
        word += size;
    }
    return false;
}

/* Lines of /proc/self/cgroup: "0::/path" is v2, "4:memory:/path" is v1 (cgroups(7)). */
static uint64_t read_cgroup(const char *root)
{
    char path[PATH_MAX];
    char line[PATH_MAX + 256];
    uint64_t smallest = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL)
            continue;
        controllers++;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (controllers[0] == '\0')
            read_groups(root, "/sys/fs/cgroup", "memory.max", group, &smallest);
        else if (names_memory(controllers))
            read_groups(root, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", group, &smallest);
    }
    if (file != NULL)
        fclose(file);
    return smallest;
}

static uint64_t read_machine(const char *root)
{
    char path[PATH_MAX];
    char line[256];
    unsigned long long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

void system_memory_read(const char *root, struct system_memory *out)
{
    out->machine_bytes = read_machine(root);
    out->cgroup_bytes = read_cgroup(root);
}

uint64_t system_memory_share(const struct system_memory *memory)
{
    uint64_t machine_part = memory->machine_bytes / 4 * 3;

    if (memory->cgroup_bytes > 0 &&
        (memory->machine_bytes == 0 || memory->cgroup_bytes <= memory->machine_bytes))
        return memory->cgroup_bytes;
    return machine_part;
}
