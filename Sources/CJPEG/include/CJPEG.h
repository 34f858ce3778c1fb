#pragma once

#include <stddef.h>
#include <stdint.h>

// JPEG in memory <-> 8-bit RGB, over libjpeg (libjpeg-turbo). Each function returns 0, or 1 with a
// zero-terminated reason in `message`, which has room for CJPEG_MESSAGE_SIZE bytes. Nothing is
// printed.

enum { CJPEG_MESSAGE_SIZE = 256 };

// The size the frame header states. Allocates nothing that depends on it.
int cjpeg_read_size(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                    char *message);

// Decodes into `rgb`, which has room for width * height * 3 bytes; the size must be the header's.
// The orientation tag is not applied. More than `scan_limit` scans are refused. Where data are damaged
// but an image came of them, the result is 0 and the message says what is wrong; else it is empty.
int cjpeg_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height,
                 int scan_limit, uint8_t *rgb, char *message);

// Encodes 8-bit RGB as baseline JPEG at quality 1...100, chroma at full size (4:4:4) or, if
// `halves_chroma` is not 0, at half the width and height (4:2:0). `*bytes` is to be released with
// `free`.
int cjpeg_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
                 int halves_chroma, uint8_t **bytes, size_t *count, char *message);
