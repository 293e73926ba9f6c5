/* fuzz_config: any bytes as what an operator or an admin writes: properties, a configuration file,
 * --set and the environment, one value of one key, and the small texts inside of them.
 *
 * The first byte chooses.  A configuration that is accepted can be read by everybody who asks it.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/properties.h"
#include "base/text.h"
#include "base/uuid.h"
#include "base/varint.h"
#include "broker/config/config_value.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_config_record.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/fake_io.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum choice {
    PROPERTIES,
    PROPERTIES_AS_UTF8,
    FILE_OF_BROKER,
    SETS,
    ENVIRONMENT,
    VALUE_OF_BROKER, /* the byte behind the choice is the key's */
    VALUE_OF_TOPIC,
    TEXTS,
    CHOICE_COUNT
};

enum { WORDS_MAX = 32, ARENA_BYTES_MAX = 4 << 20 };

/* ---- properties */

struct pairs {
    struct properties_reader reader;
    char *text; /* of all, as properties_format writes them */
    size_t size_bytes;
    uint32_t count;
    bool has_nul;
};

static enum err add_pair(struct properties_reader *reader, const struct property *property)
{
    struct pairs *pairs = container_of(reader, struct pairs, reader);
    size_t size_bytes = properties_format(NULL, 0, property->key, property->value);

    check(property->key[property->key_bytes] == '\0');
    check(property->value[property->value_bytes] == '\0');
    check(property->line > 0);
    pairs->has_nul |= strlen(property->key) != property->key_bytes ||
                      strlen(property->value) != property->value_bytes;
    pairs->text = mem_realloc(pairs->text, pairs->size_bytes + size_bytes + 1);
    check(properties_format(pairs->text + pairs->size_bytes, size_bytes + 1, property->key,
                            property->value) == size_bytes);
    pairs->size_bytes += size_bytes;
    pairs->count++;
    return OK;
}

/* What was written is read the same and written the same. */
static void read_properties(const char *text, size_t size_bytes, enum properties_charset charset)
{
    struct pairs pairs = {.reader.pair = add_pair};
    struct pairs again = {.reader.pair = add_pair};
    enum err err = properties_read(&pairs.reader, text, size_bytes, charset);

    check(err == OK || err == ERR_MALFORMED);
    if (pairs.count > 0) {
        check(properties_read(&again.reader, pairs.text, pairs.size_bytes, charset) == OK);
        check(again.count == pairs.count);
        check(again.size_bytes == pairs.size_bytes);
        check(memcmp(again.text, pairs.text, pairs.size_bytes) == 0);
    }
    mem_free(pairs.text);
    mem_free(again.text);
}

/* ---- the broker's configuration */

static void on_text(void *context, const char *text)
{
    check(strlen(text) < 2048);
}

/* Those that are read typed are in config_resolve. */
static void check_key(const struct config *config, const struct config_key *key)
{
    enum config_id id = config_key_id(key);
    const char *text = config_text(config, id);

    if (text == NULL || !config_is_set(config, id))
        return;
    check(config_check(key, text, NULL, 0) == OK);
    if (key->type <= CONFIG_I16 && key->type != CONFIG_BOOL && key->value_pos != CONFIG_NO_VALUE)
        check(config_value_i64(config_values(config), key) >= key->min &&
              config_value_i64(config_values(config), key) <= key->max);
}

static void check_topic_config(const struct config *config, const struct image *image)
{
    struct topic_config_values defaults;
    struct topic_config topic;

    topic_config_defaults(config, image, &defaults);
    topic_config_resolve(&defaults, image, "t", &topic);
    check(topic.max_message_bytes >= 0 && topic.min_insync_replicas >= 1);
    check(topic.compression >= -1 && topic.compression <= 4);
    check(topic.log.segment_bytes > 0 && topic.log.segment_ms > 0);
    check(topic.log.segment_bytes <= INT32_MAX && topic.log.index_interval_bytes <= INT32_MAX &&
          topic.log.segment_index_bytes <= INT32_MAX);
    check(topic.log.retention_ms >= -1 && topic.log.file_delete_delay_ms >= 0);
}

static void check_config(const struct config *config)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    for (uint32_t i = 0; i < count; i++)
        check_key(config, &keys[i]);
    check(config_node_id(config) >= 0);
    check(config_listener_count(config) > 0);
    for (uint32_t i = 0; i < config_listener_count(config); i++)
        check(config_listener_at(config, i)->name[0] != '\0');
    check_topic_config(config, NULL);
}

static void load(struct io *io, const struct config_load_options *options)
{
    struct config *config;

    if (config_load(io, options, on_text, on_text, NULL, &config) != OK)
        return;
    check_config(config);
    config_destroy(config);
}

/* One setting for each piece of the input that ends with NUL: two bytes choose the key, so that few
 * are unknown (looking for what was meant takes long), the rest is the value. */
static char *make_word(const char *piece, enum choice choice)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);
    size_t max_bytes = strlen(piece) + 128;
    uint32_t index = count;
    char *word;

    if (piece[0] != '\0' && piece[1] != '\0')
        index = (uint32_t)((uint8_t)piece[0] * 255 + (uint8_t)piece[1]) % (count + 1);
    if (index == count)
        return mem_strdup(piece);
    word = mem_alloc(max_bytes);
    snprintf(word, max_bytes, "%s%s=%.*s%s", choice == ENVIRONMENT ? "KAFKA_" : "",
             keys[index].name, (int)strcspn(piece + 2, "\r\n"), piece + 2,
             choice == FILE_OF_BROKER ? "\n" : "");
    for (char *c = word; choice == ENVIRONMENT && *c != '='; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (*c == '.')
            *c = '_';
    }
    return word;
}

static void load_file(const char *const *words)
{
    struct config_load_options options = {.file = "server.properties"};
    struct fake_io *fake = mem_alloc(sizeof(*fake));
    char *text = mem_strdup("");
    size_t size_bytes = 0;

    for (; *words != NULL; words++) {
        text = mem_realloc(text, size_bytes + strlen(*words) + 1);
        memcpy(text + size_bytes, *words, strlen(*words) + 1);
        size_bytes += strlen(*words);
    }
    fake_io_init(fake);
    fake_io_put(fake, options.file, text, size_bytes);
    load(&fake->io, &options);
    check(fake->open_count == 0);
    fake_io_deinit(fake);
    mem_free(fake);
    mem_free(text);
}

/* text ends with NUL. */
static void load_words(const char *text, size_t size_bytes, enum choice choice)
{
    char *words[WORDS_MAX + 1] = {NULL};
    const char *const *all = (const char *const *)words;
    struct config_load_options options = {.sets = choice == SETS ? all : NULL,
                                          .environment = choice == ENVIRONMENT ? all : NULL};
    size_t pos = 0;

    for (size_t i = 0; i < WORDS_MAX && pos < size_bytes; i++) {
        words[i] = make_word(text + pos, choice);
        pos += strlen(text + pos) + 1;
    }
    if (choice == FILE_OF_BROKER)
        load_file(all);
    else
        load(NULL, &options);
    for (size_t i = 0; words[i] != NULL; i++)
        mem_free(words[i]);
}

/* ---- one value, as an admin sends it */

/* What the rules let in must be readable where it is stored: in an image, by those who resolve. */
static void check_accepted(const struct config_key *key, struct wire_string stored, bool of_topic)
{
    struct config_record body = {.resource_type = of_topic ? KAFKA_CONFIG_RESOURCE_TYPE_TOPIC
                                                           : KAFKA_CONFIG_RESOURCE_TYPE_BROKER,
                                 .resource_name = wire_string(of_topic ? "t" : ""),
                                 .name = wire_string(key->name),
                                 .value = stored};
    const struct metadata_record record = {.type = METADATA_CONFIG, .version = 0, .body = &body};
    static const struct config_load_options options;
    static struct config *config; /* of defaults */
    struct image *image = image_create();
    struct delta delta;

    delta_init(&delta);
    check(image_apply(image, &record, &delta) == OK);
    if (config == NULL)
        check(config_load(NULL, &options, on_text, on_text, NULL, &config) == OK);
    check_topic_config(config, image);
    if (!of_topic) {
        struct config_values values;
        config_resolve(config, image, &values);
        check(isfinite(values.log_cleaner_min_cleanable_ratio));
    }
    delta_deinit(&delta);
    image_destroy(image);
}

static void check_value(const uint8_t *bytes, size_t size_bytes, bool of_topic)
{
    uint32_t count;
    const struct config_key *keys = of_topic ? topic_config_keys(&count) : config_keys(&count);
    struct wire_string stored;
    struct wire_string problem = {0};
    struct arena arena;
    char *text;
    size_t key_index;

    if (size_bytes < 2)
        return;
    key_index = (size_t)(bytes[0] << 8 | bytes[1]) % count;
    bytes += 2;
    size_bytes -= 2;
    text = mem_alloc(size_bytes + 1);
    memcpy(text, bytes, size_bytes);
    if (config_check(&keys[key_index], text, NULL, 0) == OK &&
        keys[key_index].type == CONFIG_DOUBLE)
        check(isfinite(strtod(text, NULL)));
    arena_init(&arena, ARENA_BYTES_MAX);
    if (config_rules_check(&keys[key_index],
                           (struct wire_string){(const char *)bytes, (int32_t)size_bytes}, &arena,
                           &stored, &problem))
        check_accepted(&keys[key_index], stored, of_topic);
    else
        check(problem.text != NULL);
    arena_deinit(&arena);
    mem_free(text);
}

/* ---- small texts */

static void read_number(const char *text, size_t size_bytes)
{
    char *copy = mem_strndup(text, size_bytes);
    int64_t number;
    char *end;

    if (text_parse_i64(text, size_bytes, INT64_MIN, INT64_MAX, &number) == OK) {
        errno = 0;
        check(number == strtoll(copy, &end, 10) && errno == 0 && end == copy + size_bytes);
    }
    mem_free(copy);
}

static void read_uuid(const char *text, size_t size_bytes)
{
    char again[UUID_TEXT_MAX];
    struct uuid uuid;
    struct uuid uuid_again;

    if (uuid_parse(text, size_bytes, &uuid) != OK)
        return;
    uuid_format(&uuid, again);
    check(memcmp(text, again, 21) == 0); /* the last one has four bits that do not count */
    check(uuid_parse(again, strlen(again), &uuid_again) == OK);
    check(uuid_equal(&uuid, &uuid_again));
}

static void read_address(const char *text, size_t size_bytes)
{
    char *host = mem_strndup(text, size_bytes);
    char again[IO_ADDRESS_TEXT_MAX];
    struct io_address address;
    struct io_address address_again;

    if (io_address_parse(host, 9092, &address) == OK) {
        io_address_format_host(&address, again);
        check(io_address_parse(again, 9092, &address_again) == OK);
        check(memcmp(&address, &address_again, sizeof(address)) == 0);
    }
    mem_free(host);
}

static void read_utf8(const char *text, size_t size_bytes)
{
    for (size_t pos = 0; pos < size_bytes;) {
        char again[4];
        uint32_t code_point;
        size_t used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used > 0)
            check(text_utf8_put(again, code_point) == used && memcmp(again, text + pos, used) == 0);
        pos += used > 0 ? used : 1;
    }
}

static void read_varints(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t out[VARINT_U64_MAX_BYTES];
    uint64_t u64;
    uint64_t u64_again;
    int32_t i32;
    int32_t i32_again;
    int used = varint_get_u64(bytes, size_bytes, &u64);

    check(used <= (int)size_bytes && used <= VARINT_U64_MAX_BYTES);
    if (used > 0) {
        size_t put = varint_put_u64(out, sizeof(out), u64);
        check(put > 0 && put <= (size_t)used && put == varint_size_u64(u64));
        check(varint_get_u64(out, put, &u64_again) == (int)put && u64_again == u64);
    }
    used = varint_get_i32(bytes, size_bytes, &i32);
    check(used <= (int)size_bytes && used <= VARINT_U32_MAX_BYTES);
    if (used > 0) {
        size_t put = varint_put_i32(out, sizeof(out), i32);
        check(put > 0 && put <= (size_t)used && put == varint_size_i32(i32));
        check(varint_get_i32(out, put, &i32_again) == (int)put && i32_again == i32);
    }
}

static void read_texts(const uint8_t *bytes, size_t size_bytes)
{
    const char *text = (const char *)bytes;
    enum log_format format;
    enum log_level level;

    read_number(text, size_bytes);
    read_uuid(text, size_bytes);
    read_address(text, size_bytes);
    read_utf8(text, size_bytes);
    read_varints(bytes, size_bytes);
    (void)!log_level_parse(text, size_bytes, &level);
    (void)!log_format_parse(text, size_bytes, &format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *bytes;
    char *text;

    if (size_bytes == 0)
        return 0;
    size_bytes--;
    bytes = mem_alloc(size_bytes); /* of exactly that size */
    memcpy(bytes, data + 1, size_bytes);
    text = (char *)bytes;
    switch ((enum choice)(data[0] % CHOICE_COUNT)) {
    case PROPERTIES:
        read_properties(text, size_bytes, PROPERTIES_LATIN1);
        break;
    case PROPERTIES_AS_UTF8:
        read_properties(text, size_bytes, PROPERTIES_UTF8);
        break;
    case FILE_OF_BROKER:
    case SETS:
    case ENVIRONMENT:
        if (size_bytes > 0) {
            bytes[size_bytes - 1] = '\0';
            load_words(text, size_bytes, (enum choice)(data[0] % CHOICE_COUNT));
        }
        break;
    case VALUE_OF_BROKER:
        check_value(bytes, size_bytes, false);
        break;
    case VALUE_OF_TOPIC:
        check_value(bytes, size_bytes, true);
        break;
    default:
        read_texts(bytes, size_bytes);
        break;
    }
    mem_free(bytes);
    return 0;
}

/* ---- seeds */

static const char *a_value(const struct config_key *key, struct prng *prng)
{
    static const char *const values[] = {"1",   "-1",  "9223372036854775807", "true",
                                         "nan", "0.5", "PLAINTEXT://:9092",   "A://[::1]:0,B://h:1",
                                         " 7 ", ""};

    if (key->choices != NULL && prng_chance(prng, 1, 2))
        return key->choices;
    if (key->default_text != NULL && prng_chance(prng, 1, 2))
        return key->default_text;
    return values[prng_below(prng, array_count(values))];
}

/* A line of properties, or a piece as make_word reads it. */
static size_t put_line(struct prng *prng, enum choice choice, char *out, size_t max_bytes)
{
    uint32_t count;
    const struct config_key *keys = config_keys(&count);
    uint8_t high = (uint8_t)(1 + prng_below(prng, 255));
    uint8_t low = (uint8_t)(1 + prng_below(prng, 255));
    uint32_t index = (uint32_t)(high * 255 + low) % (count + 1);
    const struct config_key *key = &keys[index == count ? 0 : index];
    bool is_text = choice == PROPERTIES || choice == PROPERTIES_AS_UTF8;
    int size = is_text ? snprintf(out, max_bytes, "%s=%s\n", key->name, a_value(key, prng))
                       : snprintf(out, max_bytes, "%c%c%s", high, low, a_value(key, prng));

    return size < 0 || (size_t)size >= max_bytes ? 0 : (size_t)size + !is_text;
}

static size_t put_value(struct prng *prng, bool of_topic, uint8_t *out, size_t max_bytes)
{
    uint32_t count;
    const struct config_key *keys = of_topic ? topic_config_keys(&count) : config_keys(&count);
    uint32_t index = (uint32_t)prng_below(prng, count);
    const char *value = a_value(&keys[index], prng);

    if (strlen(value) + 2 > max_bytes)
        return 0;
    out[0] = (uint8_t)(index >> 8);
    out[1] = (uint8_t)index;
    memcpy(out + 2, value, strlen(value));
    return 2 + strlen(value);
}

static size_t put_text(struct prng *prng, char *out, size_t max_bytes)
{
    static const char *const texts[] = {
        "-9223372036854775808",     "::ffff:1.2.3.4", "[fe80::1]",
        "AAAAAAAAAAAAAAAAAAAAAQ==", "logfmt",         "\xf0\x9f\x98\x80"};
    const char *text = texts[prng_below(prng, array_count(texts))];

    if (strlen(text) > max_bytes)
        return 0;
    memcpy(out, text, strlen(text));
    return strlen(text);
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    enum choice choice = (enum choice)prng_below(prng, CHOICE_COUNT);
    uint64_t lines = 1 + prng_below(prng, 6);
    size_t pos = 1;

    if (max_bytes < 2)
        return 0;
    out[0] = (uint8_t)choice;
    if (choice == VALUE_OF_BROKER || choice == VALUE_OF_TOPIC)
        return 1 + put_value(prng, choice == VALUE_OF_TOPIC, out + 1, max_bytes - 1);
    if (choice == TEXTS)
        return 1 + put_text(prng, (char *)out + 1, max_bytes - 1);
    for (uint64_t i = 0; i < lines; i++)
        pos += put_line(prng, choice, (char *)out + pos, max_bytes - pos);
    return pos;
}

FUZZ_SEEDS(make_seed)
