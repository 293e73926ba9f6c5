#include "tools/load/load_environment.h"

#include "tools/load/load_text_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

/* The value of the first line "key  : value" of a file. */
static bool field_of(const char *path, const char *key, char *out, size_t out_max)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    bool is_found = false;

    while (file != NULL && !is_found && fgets(line, sizeof(line), file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, key, strlen(key)) != 0)
            continue;
        snprintf(out, out_max, "%s", colon + 1 + strspn(colon + 1, " \t"));
        out[strcspn(out, "\n")] = '\0';
        is_found = true;
    }
    if (file != NULL)
        fclose(file);
    return is_found;
}

/* Share of the processors that the hypervisor gave to others, since the machine started: the 8th
 * number of the first line of /proc/stat. */
static void add_steal(struct load_result *result)
{
    char line[LINE_BYTES];
    uint64_t parts[8];
    uint64_t total = 0;

    if (!load_text_file_line("/proc/stat", line, sizeof(line)) ||
        sscanf(line,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &parts[0], &parts[1], &parts[2], &parts[3], &parts[4], &parts[5], &parts[6],
               &parts[7]) != 8)
        return;
    for (int i = 0; i < 8; i++)
        total += parts[i];
    if (total > 0)
        load_result_environment(result, "steal since boot", "%.2f %%",
                                100 * (double)parts[7] / (double)total);
}

/* PSI of I/O: "some avg10=0.00 avg60=..." (Documentation/accounting/psi.rst). */
static void add_pressure(struct load_result *result)
{
    char text[LINE_BYTES];
    double avg10;

    if (load_text_file_line("/proc/pressure/io", text, sizeof(text)) &&
        sscanf(text, "some avg10=%lf", &avg10) == 1)
        load_result_environment(result, "I/O pressure before the run", "%.2f %% (some, 10 s)",
                                avg10);
}

void load_environment_machine(struct load_result *result)
{
    struct utsname name;
    char text[LOAD_TEXT_MAX];
    double loads[3];

    if (uname(&name) == 0)
        load_result_environment(result, "kernel", "%s %s %s", name.sysname, name.release,
                                name.machine);
    if (!field_of("/proc/cpuinfo", "model name", text, sizeof(text)))
        snprintf(text, sizeof(text), "not known");
    load_result_environment(result, "processors", "%ld x %s", sysconf(_SC_NPROCESSORS_ONLN), text);
    load_result_environment(result, "memory", "%.1f GB",
                            (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9);
    if (load_text_file_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                            text, sizeof(text)))
        load_result_environment(result, "clock source", "%s", text);
    if (getloadavg(loads, 3) == 3)
        load_result_environment(result, "load average before the run", "%.2f %.2f %.2f", loads[0],
                                loads[1], loads[2]);
    add_steal(result);
    add_pressure(result);
}

/* Name of the block device of a file system's number: the directory of /sys/dev/block is a link
 * into the tree of devices, where a partition lies below its disk. */
static bool device_of(dev_t number, char *out, size_t out_max)
{
    char path[96];
    char target[PATH_MAX];
    char *real;
    const char *name;

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(number), minor(number));
    real = realpath(path, target);
    if (real == NULL)
        return false;
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(number), minor(number));
    if (access(path, F_OK) == 0)
        *strrchr(real, '/') = '\0';
    name = strrchr(real, '/') + 1;
    if (strlen(name) >= out_max)
        return false;
    snprintf(out, out_max, "%s", name);
    return true;
}

/* "35 28 254:0 / /mnt rw,noatime shared:1 - ext4 /dev/vda1 rw" (proc(5)); the line with the longest
 * mount point above path is its. */
struct mount_line {
    char point[PATH_MAX];
    char type[64];
    char source[256];
    char options[LOAD_TEXT_MAX];
};

static bool is_above(const char *point, const char *path)
{
    size_t length = strlen(point);

    if (strcmp(point, "/") == 0)
        return true;
    return strncmp(point, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool mount_of(const char *path, struct mount_line *out)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[LINE_BYTES + PATH_MAX];
    bool is_found = false;

    out->point[0] = '\0';
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        static struct mount_line one;
        char *dash = strstr(line, " - ");
        if (dash == NULL ||
            sscanf(line, "%*d %*d %*s %*s %4095s %255s", one.point, one.options) != 2 ||
            sscanf(dash, " - %63s %255s", one.type, one.source) != 2)
            continue;
        if (is_above(one.point, path) && strlen(one.point) >= strlen(out->point)) {
            *out = one;
            is_found = true;
        }
    }
    if (file != NULL)
        fclose(file);
    return is_found;
}

bool load_environment_device_name(const char *directory, char *out, size_t out_max)
{
    static struct mount_line mount;
    char real[PATH_MAX];
    struct stat there;

    if (stat(directory, &there) != 0)
        return false;
    if (device_of(there.st_dev, out, out_max))
        return true;
    /* btrfs and others give numbers of their own: the source of the mount is a device file */
    return realpath(directory, real) != NULL && mount_of(real, &mount) &&
           stat(mount.source, &there) == 0 && S_ISBLK(there.st_mode) &&
           device_of(there.st_rdev, out, out_max);
}

static void add_queue(struct load_result *result, const char *device, const char *file,
                      const char *key)
{
    char path[160];
    char text[LOAD_TEXT_MAX];

    snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", device, file);
    if (load_text_file_line(path, text, sizeof(text)))
        load_result_environment(result, key, "%s", text);
}

void load_environment_device(struct load_result *result, const char *directory)
{
    static struct mount_line mount;
    char real[PATH_MAX];
    char device[32];
    char path[160];
    char cache[64];

    if (realpath(directory, real) == NULL)
        return;
    load_result_environment(result, "data directory", "%s", real);
    if (mount_of(real, &mount))
        load_result_environment(result, "file system", "%s on %s (%s), %s", mount.type, mount.point,
                                mount.source, mount.options);
    if (!load_environment_device_name(real, device, sizeof(device)))
        return;
    snprintf(path, sizeof(path), "/sys/block/%s/queue/write_cache", device);
    if (load_text_file_line(path, cache, sizeof(cache))) {
        uint64_t fua;
        snprintf(path, sizeof(path), "/sys/block/%s/queue/fua", device);
        fua = load_text_file_number(path, 2);
        load_result_environment(result, "device cache", "%s%s", cache,
                                fua == 1   ? ", FUA"
                                : fua == 0 ? ", no FUA"
                                           : "");
    }
    load_result_environment(result, "device", "%s", device);
    add_queue(result, device, "scheduler", "I/O scheduler");
    add_queue(result, device, "rotational", "rotational");
    add_queue(result, device, "logical_block_size", "logical block bytes");
}

/* Is this descriptor a regular file, open for writing ("flags:" of fdinfo, octal)? */
static bool is_written(int32_t pid, const char *fd, const char *target)
{
    char path[96];
    char text[64];
    struct stat there;

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/fdinfo/%.20s", pid, fd);
    if (!field_of(path, "flags", text, sizeof(text)) || (strtoul(text, NULL, 8) & O_ACCMODE) == 0)
        return false;
    return stat(target, &there) == 0 && S_ISREG(there.st_mode);
}

bool load_environment_data_directory(int32_t pid, char *out, size_t out_max)
{
    char path[96];
    char target[PATH_MAX];
    DIR *directory;
    struct dirent *entry;
    bool is_found = false;
    bool is_sure = false;

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd", pid);
    directory = opendir(path);
    while (directory != NULL && !is_sure && (entry = readdir(directory)) != NULL) {
        ssize_t length;
        char *slash;
        const char *name;
        snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd/%.20s", pid, entry->d_name);
        length = readlink(path, target, sizeof(target) - 1);
        if (length <= 0 || target[0] != '/')
            continue;
        target[length] = '\0';
        if (!is_written(pid, entry->d_name, target))
            continue;
        slash = strrchr(target, '/');
        name = slash + 1;
        /* a broker's lock or segment rather than where its messages for people go */
        is_sure = strcmp(name, ".lock") == 0 || strstr(target, "/levee.journal") != NULL;
        if (!is_sure && strstr(name, ".log") != NULL && strlen(name) != 24)
            continue;
        if (!is_sure && is_found)
            continue;
        *slash = '\0';
        if (strlen(target) < out_max) {
            snprintf(out, out_max, "%s", slash == target ? "/" : target);
            is_found = true;
        }
    }
    if (directory != NULL)
        closedir(directory);
    return is_found;
}
