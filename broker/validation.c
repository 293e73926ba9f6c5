#include "broker/validation.h"

#include "base/mem.h"
#include "broker/config.h"
#include "record/batch_recode.h"

enum err validation_init(struct validation *validation, uint64_t uncompressed_max_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();

    *validation = (struct validation){.context = compression_context_create(),
                                      .uncompressed_max_bytes = uncompressed_max_bytes};
    if (validation->context == NULL)
        return ERR_NOMEM;
    batch_reader_init(&validation->reader, validation->context, uncompressed_max_bytes);
    batch_builder_init(&validation->builder, &options);
    return OK;
}

void validation_deinit(struct validation *validation)
{
    batch_builder_deinit(&validation->builder);
    batch_reader_deinit(&validation->reader);
    compression_context_destroy(validation->context);
}

enum err validation_create(const struct config *config, uint64_t recode_max_bytes,
                           struct validation **out)
{
    struct validation *validation = mem_alloc(sizeof(*validation));
    enum err err = validation_init(
        validation, (uint64_t)config_values(config)->levee_uncompressed_batch_max_bytes);

    if (err != OK) {
        mem_free(validation);
        return err;
    }
    validation->compressed = config_values(config)->levee_validate_compressed;
    validation->recode_max_bytes = recode_max_bytes < validation->uncompressed_max_bytes
                                       ? recode_max_bytes
                                       : validation->uncompressed_max_bytes;
    *out = validation;
    return OK;
}

void validation_destroy(struct validation *validation)
{
    if (validation == NULL)
        return;
    validation_deinit(validation);
    mem_free(validation);
}

enum err validation_recode(struct validation *validation, int8_t codec, uint32_t max_message_bytes,
                           const uint8_t **bytes, uint32_t *size_bytes)
{
    const uint8_t *recoded;
    uint32_t recoded_bytes;
    struct batch_header header;
    enum err err =
        batch_recode(&validation->reader, &validation->builder, *bytes, *size_bytes,
                     (enum compression)codec, COMPRESSION_LEVEL_DEFAULT, &recoded, &recoded_bytes);

    if (err == OK)
        err = batch_parse(recoded, recoded_bytes, &header);
    if (err != OK)
        return err;
    if (header.size_bytes > max_message_bytes)
        return ERR_TOO_LARGE;
    if (!batch_crc_is_good(recoded, &header))
        return ERR_CORRUPT;
    *bytes = recoded;
    *size_bytes = header.size_bytes;
    return OK;
}
