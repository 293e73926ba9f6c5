#include "tools/data_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 };

static enum cli_exit check_directory(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return cli_fail(CLI_USAGE, "log.dirs: %s: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return cli_fail(CLI_USAGE, "log.dirs: %s is not a directory", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return cli_fail(CLI_USAGE, "log.dirs: %s cannot be written by this user: %s", path,
                        strerror(errno));
    return CLI_OK;
}

enum cli_exit data_path_check(const char *path)
{
    char parent[PATH_BYTES_MAX];
    size_t size_bytes = strlen(path);
    char *slash;
    struct stat status;

    if (strchr(path, ',') != NULL)
        return cli_fail(CLI_USAGE, "log.dirs: name one directory, not %s", path);
    while (size_bytes > 1 && path[size_bytes - 1] == '/')
        size_bytes--;
    if (size_bytes == 0 || size_bytes >= sizeof(parent))
        return cli_fail(CLI_USAGE, "log.dirs: empty or longer than a path may be");
    if (stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return check_directory(path);
    /* the broker makes the last directory of the path, no more */
    memcpy(parent, path, size_bytes);
    parent[size_bytes] = '\0';
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return check_directory(".");
    slash[slash == parent ? 1 : 0] = '\0';
    if (stat(parent, &status) != 0 && errno == ENOENT)
        return cli_fail(CLI_USAGE, "log.dirs: %s does not exist; create it first, for %s", parent,
                        path);
    return check_directory(parent);
}
