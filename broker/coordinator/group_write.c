#include "broker/coordinator/group_write.h"

#include "base/check.h"
#include "broker/coordinator/coordinator_private.h"

static void on_done(struct runtime_write *records, enum err err)
{
    struct group_write *write = container_of(records, struct group_write, records);

    write->done(write, err);
}

bool group_write_begin(struct group_write *write, struct group *group,
                       void (*done)(struct group_write *write, enum err err))
{
    return group_write_begin_in(write, group, group->partition_index, done);
}

bool group_write_begin_in(struct group_write *write, struct group *group, int32_t partition_index,
                          void (*done)(struct group_write *write, enum err err))
{
    struct runtime_partition *partition =
        runtime_served(&group->coordinator->runtime, partition_index);

    if (partition == NULL)
        return false;
    *write = (struct group_write){.group = group, .done = done};
    runtime_write_init(&write->records, partition, on_done);
    group->writes++;
    return true;
}

void group_write_end(struct group_write *write)
{
    check(write->group->writes > 0);
    write->group->writes--;
    runtime_write_deinit(&write->records);
}
