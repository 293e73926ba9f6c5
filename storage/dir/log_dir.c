#include "storage/dir/log_dir.h"

#include "base/small_file.h"
#include "storage/dir/log_names.h"
#include "storage/dir/meta_properties.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOCK_NAME ".lock"
#define CLEAN_NAME ".kafka_cleanshutdown" /* Kafka's CleanShutdownFileHandler */
#define FORMAT_NAME "levee.format"

enum {
    FORMAT_VERSION = 1,
    TEXT_BYTES_MAX = 65536,
    FILE_PATH_MAX = LOG_DIR_PATH_MAX + 64,
};

static void explain(struct log_dir *dir, const char *format, ...) printf_like(2, 3);

static void explain(struct log_dir *dir, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(dir->problem, sizeof(dir->problem), format, args);
    va_end(args);
}

static void path_of(const struct log_dir *dir, const char *name, char out[static FILE_PATH_MAX])
{
    size_t dir_bytes = strlen(dir->path);

    memcpy(out, dir->path, dir_bytes);
    out[dir_bytes] = '/';
    memcpy(out + dir_bytes + 1, name, strlen(name) + 1); /* names are short */
}

/* ---- small files */

/* The whole file, cut at TEXT_BYTES_MAX.  ERR_NOT_FOUND. */
static enum err read_small(struct log_dir *dir, const char *name, char *out, size_t *size_out)
{
    char path[FILE_PATH_MAX];

    path_of(dir, name, path);
    return small_file_read_into(dir->io, path, out, TEXT_BYTES_MAX, size_out);
}

static enum err write_small(struct log_dir *dir, const char *name, const char *text,
                            size_t size_bytes)
{
    char path[FILE_PATH_MAX];

    path_of(dir, name, path);
    return small_file_replace(dir->io, dir->path, path, text, size_bytes);
}

static enum err cannot(struct log_dir *dir, const char *what, const char *name, enum err err)
{
    explain(dir, "cannot %s %s/%s: %s; check the disk and the permissions of the directory", what,
            dir->path, name, err_text(err));
    return err;
}

/* ---- the directory and its lock */

/* The directory that path lies in. */
static void parent_of(const char *path, char out[static LOG_DIR_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t size_bytes = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == path)
        size_bytes = 1;
    if (size_bytes == 0) {
        memcpy(out, ".", 2);
        return;
    }
    memcpy(out, path, size_bytes);
    out[size_bytes] = '\0';
}

static enum err make_directory(struct log_dir *dir)
{
    char parent[LOG_DIR_PATH_MAX];
    struct io_stat stat;
    enum err err = dir->io->v->file_stat(dir->io, dir->path, &stat);

    if (!err && !stat.is_dir) {
        explain(dir, "%s is a file; give a directory in log.dirs", dir->path);
        return ERR_INVALID;
    }
    if (err == ERR_NOT_FOUND) {
        parent_of(dir->path, parent);
        err = dir->io->v->dir_make(dir->io, dir->path);
        if (!err)
            err = dir->io->v->dir_sync(dir->io, parent);
    }
    if (err == ERR_NOT_FOUND)
        explain(dir, "cannot create %s: %s does not exist; create it first, or change log.dirs",
                dir->path, parent);
    else if (err)
        explain(dir, "cannot use or create directory %s: %s; check permissions, or change log.dirs",
                dir->path, err_text(err));
    return err;
}

static enum err lock(struct log_dir *dir)
{
    char path[FILE_PATH_MAX];
    enum err err;

    path_of(dir, LOCK_NAME, path);
    err = dir->io->v->file_open(dir->io, path, IO_WRITE | IO_CREATE, &dir->lock_fd);
    if (err) {
        dir->lock_fd = -1;
        return cannot(dir, "create", LOCK_NAME, err);
    }
    err = dir->io->v->file_lock(dir->io, dir->lock_fd);
    if (err == ERR_LOCKED)
        explain(dir,
                "%s is in use by another process (%s/%s is locked); stop that one, or give this "
                "one a directory of its own in log.dirs",
                dir->path, dir->path, LOCK_NAME);
    else if (err)
        (void)cannot(dir, "lock", LOCK_NAME, err);
    dir->dir_fd = dir->lock_fd;
    return err;
}

/* ---- identity */

static enum err check_format(struct log_dir *dir, char *text)
{
    static const char current[] = "version=1\n";
    size_t size_bytes = 0;
    enum err err = read_small(dir, FORMAT_NAME, text, &size_bytes);
    int version = 0;

    _Static_assert(FORMAT_VERSION == 1, "as in current");
    if (err == ERR_NOT_FOUND) {
        err = write_small(dir, FORMAT_NAME, current, sizeof(current) - 1);
        return err ? cannot(dir, "write", FORMAT_NAME, err) : OK;
    }
    if (err)
        return cannot(dir, "read", FORMAT_NAME, err);
    text[size_bytes] = '\0';
    if (sscanf(text, "version=%d", &version) != 1 || version < 1) {
        explain(dir,
                "%s/%s does not say which format the directory has; restore the file (it "
                "reads \"version=1\") or the directory from a backup",
                dir->path, FORMAT_NAME);
        return ERR_CORRUPT;
    }
    if (version > FORMAT_VERSION) {
        explain(dir,
                "%s was written by a newer levee (format %d, this one knows %d); start that "
                "version again, or give this one an empty directory",
                dir->path, version, FORMAT_VERSION);
        return ERR_NEWER_FORMAT;
    }
    return OK;
}

/* A file or directory that only a broker that has served leaves. */
static void look_for_data(void *context, const char *name, bool is_dir)
{
    char *found = context;
    struct log_dir_name partition;

    if ((is_dir && log_names_parse_dir(name, &partition) == OK) ||
        (!is_dir && (strncmp(name, "journal-", 8) == 0 || strncmp(name, "marks-", 6) == 0)))
        snprintf(found, LOG_DIR_NAME_MAX, "%.250s", name);
}

static enum err refuse_data_without_identity(struct log_dir *dir)
{
    char found[LOG_DIR_NAME_MAX] = "";
    enum err err = dir->io->v->dir_list(dir->io, dir->path, look_for_data, found);

    if (err)
        return cannot(dir, "list", "", err);
    if (found[0] == '\0')
        return OK;
    explain(dir,
            "%s holds data (%s) but no %s, so it is not known whose it is; restore that file "
            "from a backup, or give an empty directory",
            dir->path, found, META_PROPERTIES_NAME);
    return ERR_CORRUPT;
}

static enum err write_identity(struct log_dir *dir)
{
    char text[META_PROPERTIES_MAX_BYTES];
    struct meta_properties meta = {.node_id = dir->node_id, .directory_id = dir->directory_id};
    size_t size_bytes;
    enum err err;

    _Static_assert(sizeof(meta.cluster_id) == sizeof(dir->cluster_id), "one fits the other");
    memcpy(meta.cluster_id, dir->cluster_id, sizeof(meta.cluster_id));
    size_bytes = meta_properties_encode(&meta, text);
    err = write_small(dir, META_PROPERTIES_NAME, text, size_bytes);
    return err ? cannot(dir, "write", META_PROPERTIES_NAME, err) : OK;
}

static enum err format_new(struct log_dir *dir, struct prng *prng, const char *cluster_id)
{
    enum err err = refuse_data_without_identity(dir);

    if (err)
        return err;
    if (cluster_id != NULL) {
        memcpy(dir->cluster_id, cluster_id, strlen(cluster_id) + 1);
    } else {
        struct uuid id;
        uuid_random(prng, &id);
        uuid_format(&id, dir->cluster_id);
    }
    uuid_random(prng, &dir->directory_id);
    dir->is_new = true;
    return write_identity(dir);
}

static enum err explain_identity(struct log_dir *dir, enum err err)
{
    if (err == ERR_NOMEM) {
        explain(dir, "there is no memory to read %s/%s", dir->path, META_PROPERTIES_NAME);
        return err;
    }
    if (err == ERR_NEWER_FORMAT) {
        explain(dir,
                "%s/%s has a version that this levee does not know; use the version that "
                "wrote it, or give an empty directory",
                dir->path, META_PROPERTIES_NAME);
        return err;
    }
    if (err == ERR_UNSUPPORTED) {
        explain(dir,
                "%s/%s is that of a ZooKeeper broker (version 0); migrate the cluster to "
                "KRaft first, or give an empty directory",
                dir->path, META_PROPERTIES_NAME);
        return err;
    }
    explain(dir,
            "%s/%s is damaged (%s); restore it from a backup: version=1, cluster.id, node.id "
            "and directory.id",
            dir->path, META_PROPERTIES_NAME, err_text(err));
    return ERR_CORRUPT;
}

static enum err check_identity(struct log_dir *dir, struct prng *prng, const char *cluster_id,
                               char *text)
{
    struct meta_properties meta;
    size_t size_bytes = 0;
    enum err err = read_small(dir, META_PROPERTIES_NAME, text, &size_bytes);

    if (err == ERR_NOT_FOUND)
        return format_new(dir, prng, cluster_id);
    if (err)
        return cannot(dir, "read", META_PROPERTIES_NAME, err);
    err = meta_properties_decode(text, size_bytes, &meta);
    if (err)
        return explain_identity(dir, err);
    if (cluster_id != NULL && strcmp(cluster_id, meta.cluster_id) != 0) {
        explain(dir,
                "%s belongs to cluster %s, and this broker is to run in cluster %s; correct "
                "the cluster id or log.dirs",
                dir->path, meta.cluster_id, cluster_id);
        return ERR_FOREIGN;
    }
    if (meta.node_id != dir->node_id) {
        explain(dir,
                "%s belongs to node %" PRId32 ", and node.id is %" PRId32
                "; correct node.id or log.dirs",
                dir->path, meta.node_id, dir->node_id);
        return ERR_FOREIGN;
    }
    memcpy(dir->cluster_id, meta.cluster_id, sizeof(dir->cluster_id));
    dir->directory_id = meta.directory_id;
    if (!uuid_is_zero(&dir->directory_id))
        return OK;
    uuid_random(prng, &dir->directory_id); /* from before Kafka 3.7 */
    return write_identity(dir);
}

/* The note of an orderly stop counts once: a crash from now on is a crash. */
static enum err take_clean_file(struct log_dir *dir)
{
    char path[FILE_PATH_MAX];
    enum err err;

    path_of(dir, CLEAN_NAME, path);
    err = dir->io->v->file_unlink(dir->io, path);
    if (err == ERR_NOT_FOUND)
        return OK;
    if (!err)
        err = dir->io->v->dir_sync(dir->io, dir->path);
    if (err)
        return cannot(dir, "remove", CLEAN_NAME, err);
    dir->was_clean = true;
    return OK;
}

static void unlock(struct log_dir *dir)
{
    if (dir->lock_fd >= 0)
        dir->io->v->close(dir->io, dir->lock_fd);
    dir->lock_fd = -1;
    dir->dir_fd = -1;
}

enum err log_dir_open(struct log_dir *dir, struct io *io, struct prng *prng, const char *path,
                      const char *cluster_id, int32_t node_id)
{
    char text[TEXT_BYTES_MAX + 1];
    size_t path_bytes = strlen(path);
    enum err err;

    *dir = (struct log_dir){.io = io, .node_id = node_id, .lock_fd = -1, .dir_fd = -1};
    while (path_bytes > 1 && path[path_bytes - 1] == '/')
        path_bytes--;
    if (path_bytes == 0 || path_bytes >= sizeof(dir->path) ||
        (cluster_id != NULL &&
         (cluster_id[0] == '\0' || strlen(cluster_id) >= sizeof(dir->cluster_id)))) {
        explain(dir,
                "log.dirs or the cluster id is empty or too long (at most %d and %d "
                "characters)",
                LOG_DIR_PATH_MAX - 1, LOG_DIR_CLUSTER_ID_MAX - 1);
        return ERR_INVALID;
    }
    memcpy(dir->path, path, path_bytes);
    err = make_directory(dir);
    if (!err)
        err = lock(dir);
    if (!err)
        err = check_identity(dir, prng, cluster_id, text);
    if (!err)
        err = check_format(dir, text);
    if (!err)
        err = take_clean_file(dir);
    if (err)
        unlock(dir);
    return err;
}

void log_dir_close(struct log_dir *dir, bool clean, int64_t broker_epoch)
{
    char text[64];
    int size_bytes;

    if (dir->io == NULL || dir->lock_fd < 0)
        return;
    if (clean) {
        enum err err;
        size_bytes = snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%" PRId64 "}",
                              broker_epoch);
        err = write_small(dir, CLEAN_NAME, text, (size_t)size_bytes);
        (void)err; /* without it the next start takes this for a crash */
    }
    unlock(dir);
}
