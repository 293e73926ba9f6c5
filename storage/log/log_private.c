#include "storage/log/log_private.h"

#include <stdio.h>

void log_format_path(const struct log *log, int64_t offset, enum log_file_kind kind, char *out)
{
    char name[LOG_FILE_NAME_MAX];

    log_names_format_file(name, offset, kind);
    snprintf(out, LOG_PATH_MAX, "%s/%s", log->dir, name);
}

void log_mark_dirty(struct log *log)
{
    if (log->quarantined)
        return; /* its mark stays what it was */
    log->dirty = true;
    if (!list_is_linked(&log->dirty_node))
        list_push_back(&log->env->dirty_logs, &log->dirty_node);
}
