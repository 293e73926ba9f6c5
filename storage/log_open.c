/* Where a store's logs begin, for those who know the store.  (log.h) */
#include "storage/log/log_close.h"
#include "storage/log/log_load.h"
#include "storage/store.h"
#include "storage/store_private.h"

#include <stdio.h>

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    return log_load(&store->env, id, name, config, events, context, out);
}

void log_delete_unopened(struct store *store, const struct log_id *id, const char *name)
{
    char dir_name[LOG_DIR_NAME_MAX];
    char dir[LOG_PATH_MAX];

    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", store->env.dir, dir_name);
    log_delete_dir(&store->env, id, name, dir, 0);
}
