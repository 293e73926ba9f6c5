#include "broker/java_hash.h"

#include "base/text.h"

int32_t java_hash(const char *text, size_t size_bytes)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < size_bytes;) {
        uint32_t point;
        size_t width = text_utf8_next(text + i, size_bytes - i, &point);
        if (width == 0) {
            point = 0xfffd;
            width = 1;
        }
        if (point > 0xffff) {
            point -= 0x10000;
            hash = hash * 31 + (0xd800 + (point >> 10));
            point = 0xdc00 + (point & 0x3ff);
        }
        hash = hash * 31 + point;
        i += width;
    }
    return (int32_t)hash;
}

int32_t java_hash_partition(const char *text, size_t size_bytes, int32_t count)
{
    int32_t hash = java_hash(text, size_bytes);

    if (hash == INT32_MIN)
        return 0;
    return (hash < 0 ? -hash : hash) % count;
}
