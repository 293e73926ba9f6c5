/* crc32c_plain: for processors without an instruction for it. */
#include "base/crc32c_ways.h"

size_t crc32c_ways(struct crc32c_way *out, size_t max)
{
    if (max == 0)
        return 0;
    out[0] = (struct crc32c_way){"table", crc32c_table_update};
    return 1;
}
