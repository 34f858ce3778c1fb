#pragma once

#include <stddef.h>
#include <stdint.h>

// PNG in memory <-> 8-bit RGB, over libpng. Each function returns 0, or 1 with a zero-terminated
// reason in `message`, which has room for CPNG_MESSAGE_SIZE bytes. Nothing is printed.

enum { CPNG_MESSAGE_SIZE = 256 };

// What the header states: the size, and whether pixels may be transparent (an alpha channel or tRNS).
// Needs the bytes up to the image data only, and allocates nothing that depends on the size.
int cpng_read_header(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                     int *has_alpha, char *message);

// Decodes into `rgb`, which has room for width * height * 3 bytes; the size must be the header's.
// Transparent pixels are laid over `background` (red, green, blue), or, if it is NULL, keep the colour
// that is stored. With `blends`, they become blends[256 alpha + sample] of 8-bit samples instead of being
// computed.
int cpng_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height,
                const uint8_t *background, const uint8_t *blends, uint8_t *rgb, char *message);

// Encodes 8-bit RGB at zlib level 0...9. `*bytes` is to be released with `free`.
int cpng_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int level, uint8_t **bytes,
                size_t *count, char *message);
