/* Loops: a stream's values as a custom call of XLA. Of its foreign function interface this is what a handler on the host
   reads, as XLA publishes it in xla/ffi/api/c_api.h: the fields that version 0.1 has, which later ones only add to. */
#ifndef FI_XLA_H
#define FI_XLA_H

#include <stddef.h>
#include <stdint.h>

#define FI_XLA_MAJOR 0
#define FI_XLA_MINOR 1

/* Dtypes, kinds of attributes and of arguments, a kind of extension, a stage of a call, a code of an error. */
enum { FI_XLA_S64 = 5, FI_XLA_U8 = 6, FI_XLA_U32 = 8, FI_XLA_F16 = 10, FI_XLA_F32 = 11, FI_XLA_F64 = 12, FI_XLA_BF16 = 16 };
enum { FI_XLA_ARRAY = 1, FI_XLA_SCALAR = 3 };
enum { FI_XLA_BUFFER = 1, FI_XLA_METADATA = 1, FI_XLA_EXECUTE = 3, FI_XLA_INVALID_ARGUMENT = 3 };

/* Each structure begins so; its size tells how much of it there is. */
typedef struct fi_xla_extension {
    size_t struct_size;
    int type;
    struct fi_xla_extension *next;
} fi_xla_extension;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    int major, minor;
} fi_xla_version;

typedef struct {
    size_t struct_size;
    fi_xla_version version;
    uint32_t traits;
} fi_xla_metadata;

/* With which a handler is asked what it is, and not called. */
typedef struct {
    fi_xla_extension base;
    fi_xla_metadata *metadata;
} fi_xla_metadata_extension;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    const char *message;
    int code;
} fi_xla_error_arguments;

typedef struct fi_xla_error fi_xla_error;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    fi_xla_version version;
    const void *internal;
    fi_xla_error *(*create_error)(fi_xla_error_arguments *arguments);
} fi_xla_api;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    int dtype;
    void *data;
    int64_t rank;
    int64_t *dims;
} fi_xla_buffer;

/* Of arguments and of results. */
typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    int64_t size;
    int *types;
    void **values;
} fi_xla_buffers;

typedef struct {
    const char *text;
    size_t length;
} fi_xla_text;

typedef struct {
    int dtype;
    void *value;
} fi_xla_scalar;

typedef struct {
    int dtype;
    size_t size;
    void *data;
} fi_xla_array;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    int64_t size;
    int *types;
    fi_xla_text **names;
    void **values;
} fi_xla_attributes;

typedef struct {
    size_t struct_size;
    fi_xla_extension *extensions;
    const fi_xla_api *api;
    void *context;
    int stage;
    fi_xla_buffers arguments, results;
    fi_xla_attributes attributes;
} fi_xla_call;

/* Fills a result of floats with part of each of several streams of one law.

   Arguments: the seed of each as words, most significant first, u32[..., words], at most four; and for each axis of the
   part the positions in the whole, u32, of which the first is read. The result has the axes of the streams, then those
   of the part.
   Attributes: law (s64), parameters (f64[8]), stream (u8[16], the law's name), steps (s64, for each axis how many numbers
   it is from one value to the next) and threads (s64). */
fi_xla_error *fi_xla_fill(fi_xla_call *call);

#endif
