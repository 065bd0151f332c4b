#include "xla.h"

#include "fill.h"
#include "key.h"
#include "pages.h"

#define PARAMETERS 8
#define MOST_WORDS (FI_SEED_BYTES / 4)

static fi_xla_error *refused(const fi_xla_call *call, const char *message) {
    fi_xla_error_arguments arguments = {sizeof arguments, NULL, message, FI_XLA_INVALID_ARGUMENT};
    return call->api->create_error(&arguments);
}

/* Attributes come in the order of their names, and others than ours do not come at all. */
static const void *attribute(const fi_xla_attributes *attributes, const char *name, int type) {
    for (int64_t i = 0; i < attributes->size; i++) {
        const fi_xla_text *own = attributes->names[i];
        if (own->length == strlen(name) && memcmp(own->text, name, own->length) == 0)
            return attributes->types[i] == type ? attributes->values[i] : NULL;
    }
    return NULL;
}

static const int64_t *number_of(const fi_xla_attributes *attributes, const char *name) {
    const fi_xla_scalar *scalar = attribute(attributes, name, FI_XLA_SCALAR);
    return scalar && scalar->dtype == FI_XLA_S64 ? scalar->value : NULL;
}

static const fi_xla_array *array_of(const fi_xla_attributes *attributes, const char *name, int dtype) {
    const fi_xla_array *array = attribute(attributes, name, FI_XLA_ARRAY);
    return array && array->dtype == dtype ? array : NULL;
}

static const fi_xla_buffer *buffer_at(const fi_xla_buffers *buffers, int64_t number) {
    return number < buffers->size && buffers->types[number] == FI_XLA_BUFFER ? buffers->values[number] : NULL;
}

static enum fi_dtype dtype_of(const fi_xla_buffer *buffer) {
    switch (buffer->dtype) {
    case FI_XLA_F32: return FI_F32;
    case FI_XLA_F64: return FI_F64;
    case FI_XLA_F16: return FI_F16;
    case FI_XLA_BF16: return FI_BF16;
    default: return FI_DTYPES;
    }
}

/* Words, most significant first, as a number, low byte first. */
static void seed_of(const uint32_t *words, int64_t count, uint8_t seed[FI_SEED_BYTES]) {
    memset(seed, 0, FI_SEED_BYTES);
    for (int64_t i = 0; i < 4 * count; i++) seed[i] = (uint8_t)(words[count - 1 - i / 4] >> 8 * (i % 4));
}

/* The number of the first value of a part; -1 where the positions along an axis are none. */
static int64_t first_number(const fi_xla_buffers *arguments, const fi_xla_array *steps) {
    int64_t first = 0;
    for (size_t axis = 0; axis < steps->size; axis++) {
        const fi_xla_buffer *positions = buffer_at(arguments, 1 + (int64_t)axis);
        if (!positions || positions->dtype != FI_XLA_U32 || positions->rank != 1) return -1;
        if (positions->dims[0]) first += *(const uint32_t *)positions->data * ((const int64_t *)steps->data)[axis];
    }
    return first;
}

static fi_xla_error *fill(const fi_xla_call *call) {
    const fi_xla_buffer *words = buffer_at(&call->arguments, 0), *out = buffer_at(&call->results, 0);
    const int64_t *law = number_of(&call->attributes, "law"), *threads = number_of(&call->attributes, "threads");
    const fi_xla_array *parameters = array_of(&call->attributes, "parameters", FI_XLA_F64);
    const fi_xla_array *stream = array_of(&call->attributes, "stream", FI_XLA_U8);
    const fi_xla_array *steps = array_of(&call->attributes, "steps", FI_XLA_S64);
    if (!words || !out || !law || !threads || !parameters || !stream || !steps)
        return refused(call, "fastinit: an argument or an attribute is missing");
    if (*law < 0 || *law >= FI_LAWS || parameters->size != PARAMETERS || stream->size != FI_LAW_BYTES)
        return refused(call, "fastinit: there is no such law");
    const int64_t streams_axes = words->rank - 1, axes = (int64_t)steps->size;
    if (words->dtype != FI_XLA_U32 || streams_axes < 0 || words->dims[streams_axes] > MOST_WORDS)
        return refused(call, "fastinit: a seed must be of at most four words of 32 bits");
    const enum fi_dtype dtype = dtype_of(out);
    fi_region region = {.axes = (int)axes, .first = axes > FI_MOST_AXES ? -1 : first_number(&call->arguments, steps)};
    if (dtype == FI_DTYPES || out->rank != streams_axes + axes || region.first < 0)
        return refused(call, "fastinit: the result must be of floats, with the axes of the seeds and of the positions");

    size_t streams = 1, count = 1;
    for (int64_t axis = 0; axis < streams_axes; axis++) streams *= (size_t)out->dims[axis];
    for (int64_t axis = axes - 1; axis >= 0; axis--) {
        region.shape[axis] = out->dims[streams_axes + axis];
        region.source_step[axis] = ((const int64_t *)steps->data)[axis];
        region.target_step[axis] = (int64_t)(count * fi_item_bytes[dtype]);
        count *= (size_t)region.shape[axis];
    }
    const double *p = parameters->data;
    const fi_parameters numbers = {p[0], p[1], p[2], p[3], p[4], p[5], p[6], (int)p[7]};
    const int64_t length = words->dims[streams_axes];
    fi_advise_large_pages((uintptr_t)out->data, streams * count * fi_item_bytes[dtype]); /* XLA asks for none */
    for (size_t i = 0; count && i < streams; i++) {
        uint8_t seed[FI_SEED_BYTES];
        seed_of((const uint32_t *)words->data + (int64_t)i * length, length, seed);
        const fi_key key = fi_stream_key(seed, stream->data, NULL, 0);
        char *place = (char *)out->data + i * count * fi_item_bytes[dtype];
        fi_fill((enum fi_law)*law, dtype, key, &numbers, &region, 0, count, place, (int)*threads);
    }
    return NULL;
}

fi_xla_error *fi_xla_fill(fi_xla_call *call) {
    if (call->extensions && call->extensions->type == FI_XLA_METADATA) {
        fi_xla_metadata *metadata = ((fi_xla_metadata_extension *)call->extensions)->metadata;
        metadata->version.major = FI_XLA_MAJOR, metadata->version.minor = FI_XLA_MINOR;
        return NULL;
    }
    if (call->struct_size < sizeof *call) return refused(call, "fastinit: this XLA has another interface than 0.1");
    return call->stage == FI_XLA_EXECUTE ? fill(call) : NULL;
}
