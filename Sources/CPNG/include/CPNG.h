#pragma once

#include <stddef.h>
#include <stdint.h>

// PNG in memory <-> 8-bit RGB, over libpng. Each function returns 0, or 1 with a zero-terminated
// reason in `message`, which has room for CPNG_MESSAGE_SIZE bytes. Nothing is printed.

enum { CPNG_MESSAGE_SIZE = 256 };

// The size the header states. Allocates nothing that depends on it.
int cpng_read_size(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                   char *message);

// Decodes into `rgb`, which has room for width * height * 3 bytes; the size must be the header's.
int cpng_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *rgb,
                char *message);

// Encodes 8-bit RGB at zlib level 0...9. `*bytes` is to be released with `free`.
int cpng_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int level, uint8_t **bytes,
                size_t *count, char *message);
