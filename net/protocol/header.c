#include "net/protocol/header.h"

enum { HEADER_ELEMENTS_MAX = 1024 }; /* tagged fields: clients send none */

enum err header_decode_request(struct wire_reader *reader, struct arena *arena,
                               struct request_header *out, const struct api_desc **api)
{
    struct wire_reader peek = *reader;
    struct request_header header;
    const struct api_desc *found;
    enum err err;

    codec_set_defaults(&request_header_desc, &header);
    err = wire_read_int16(&peek, &header.request_api_key);
    if (!err)
        err = wire_read_int16(&peek, &header.request_api_version);
    if (!err)
        err = wire_read_int32(&peek, &header.correlation_id);
    if (err)
        return err;

    found = api_find(header.request_api_key);
    if (found == NULL || !api_serves(header.request_api_key, header.request_api_version)) {
        *out = header;
        *api = found;
        return ERR_UNSUPPORTED;
    }
    err = codec_decode_within(&request_header_desc,
                              api_request_header_version(found, header.request_api_version), reader,
                              arena, HEADER_ELEMENTS_MAX, &header);
    if (err)
        return err;
    *out = header;
    *api = found;
    return OK;
}

enum err header_encode_response(struct wire_writer *writer, const struct api_desc *api,
                                int16_t version, int32_t correlation_id)
{
    struct response_header header;

    codec_set_defaults(&response_header_desc, &header);
    header.correlation_id = correlation_id;
    return codec_encode(&response_header_desc, api_response_header_version(api, version), &header,
                        writer);
}

enum err header_encode_request(struct wire_writer *writer, const struct api_desc *api,
                               int16_t version, int32_t correlation_id,
                               struct wire_string client_id)
{
    struct request_header header;

    codec_set_defaults(&request_header_desc, &header);
    header.request_api_key = api->key;
    header.request_api_version = version;
    header.correlation_id = correlation_id;
    header.client_id = client_id;
    return codec_encode(&request_header_desc, api_request_header_version(api, version), &header,
                        writer);
}

enum err header_decode_response(struct wire_reader *reader, struct arena *arena,
                                const struct api_desc *api, int16_t version,
                                int32_t *correlation_id)
{
    struct response_header header;
    enum err err = codec_decode(&response_header_desc, api_response_header_version(api, version),
                                reader, arena, &header);

    if (err)
        return err;
    *correlation_id = header.correlation_id;
    return OK;
}
