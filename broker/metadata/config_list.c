#include "broker/metadata/config_list.h"

#include "base/hash_map.h"

#include <string.h>

/* The next word of a list, from *next on; false: there is none. */
static bool next_word(const char **next, const char *end, const char **word, size_t *word_bytes)
{
    while (*next < end) {
        const char *comma = memchr(*next, ',', (size_t)(end - *next));
        *word = *next;
        *word_bytes = (size_t)((comma == NULL ? end : comma) - *next);
        *next += *word_bytes + 1;
        if (*word_bytes > 0)
            return true;
    }
    return false;
}

static enum err take_words(struct hash_map *words, struct wire_string list)
{
    const char *next = list.text;
    const char *word;
    size_t word_bytes;
    enum err err = OK;

    while (err == OK && next_word(&next, list.text + list.size_bytes, &word, &word_bytes)) {
        err = hash_map_insert(words, word, word_bytes, (void *)(uintptr_t)word);
        err = err == ERR_EXISTS ? OK : err;
    }
    return err;
}

/* The words of list that are not in other, behind the out_bytes that space holds. */
static enum err copy_words(char *space, int32_t *out_bytes, uint64_t seed, struct wire_string list,
                           struct wire_string other)
{
    const char *next = list.text;
    const char *word;
    size_t word_bytes;
    struct hash_map others;
    enum err err;

    hash_map_init(&others, seed);
    err = take_words(&others, other);
    while (err == OK && next_word(&next, list.text + list.size_bytes, &word, &word_bytes)) {
        if (hash_map_find(&others, word, word_bytes) != NULL)
            continue;
        if (*out_bytes > 0)
            space[(*out_bytes)++] = ',';
        memcpy(space + *out_bytes, word, word_bytes);
        *out_bytes += (int32_t)word_bytes;
    }
    hash_map_deinit(&others);
    return err;
}

enum err config_list_append(struct arena *arena, uint64_t seed, struct wire_string list,
                            struct wire_string words, struct wire_string *out)
{
    char *space = arena_alloc(arena, (size_t)list.size_bytes + (size_t)words.size_bytes + 2);
    int32_t size_bytes = 0;
    enum err err = space == NULL ? ERR_NOMEM : OK;

    if (err == OK)
        err = copy_words(space, &size_bytes, seed, list, (struct wire_string){"", 0});
    if (err == OK)
        err = copy_words(space, &size_bytes, seed, words, list);
    if (err == OK)
        *out = (struct wire_string){space, size_bytes};
    return err;
}

enum err config_list_subtract(struct arena *arena, uint64_t seed, struct wire_string list,
                              struct wire_string words, struct wire_string *out)
{
    char *space = arena_alloc(arena, (size_t)list.size_bytes + 1);
    int32_t size_bytes = 0;
    enum err err = space == NULL ? ERR_NOMEM : copy_words(space, &size_bytes, seed, list, words);

    if (err == OK)
        *out = (struct wire_string){space, size_bytes};
    return err;
}
