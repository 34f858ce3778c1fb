#include "CPNG.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// Everything that must survive a longjmp lives here, behind a pointer, so that no local variable
// has an indeterminate value after it.
struct session {
  jmp_buf out;
  char *message;
  png_structp png;
  png_infop info;
  const uint8_t *input;
  size_t remaining;
  uint8_t *output;
  size_t used;
  size_t capacity;
};

static void fail(png_structp png, png_const_charp reason) {
  struct session *session = png_get_error_ptr(png);
  strncpy(session->message, reason, CPNG_MESSAGE_SIZE - 1);
  session->message[CPNG_MESSAGE_SIZE - 1] = 0;
  longjmp(session->out, 1);
}

// libpng calls a wrong checksum at the end of the image data a warning; for us it is damage.
static void warn(png_structp png, png_const_charp reason) {
  if (strstr(reason, "incorrect data check") != NULL) fail(png, reason);
}

static void take(png_structp png, png_bytep target, size_t count) {
  struct session *session = png_get_io_ptr(png);
  if (count > session->remaining) png_error(png, "the file ends too early");
  memcpy(target, session->input, count);
  session->input += count;
  session->remaining -= count;
}

static void give(png_structp png, png_bytep source, size_t count) {
  struct session *session = png_get_io_ptr(png);
  if (count > session->capacity - session->used) {
    size_t capacity = session->capacity * 2;
    if (capacity < session->used + count) capacity = session->used + count;
    uint8_t *output = realloc(session->output, capacity);
    if (output == NULL) png_error(png, "out of memory");
    session->output = output;
    session->capacity = capacity;
  }
  memcpy(session->output + session->used, source, count);
  session->used += count;
}

static void flush(png_structp png) { (void)png; }

// Opens a reader and reads up to the image data. Jumps out on failure.
static void read_header(struct session *session, const uint8_t *bytes, size_t count) {
  session->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, session, fail, warn);
  if (session->png == NULL) {
    strcpy(session->message, "libpng does not start");
    longjmp(session->out, 1);
  }
  session->info = png_create_info_struct(session->png);
  if (session->info == NULL) png_error(session->png, "out of memory");
  session->input = bytes;
  session->remaining = count;
  png_set_read_fn(session->png, session, take);
  // The caller limits pixels, not sides.
  png_set_user_limits(session->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Texts, profiles and animation frames are stepped over: not inflated, not kept. So their length
  // needs no limit either.
  png_set_chunk_malloc_max(session->png, 0);
  png_set_keep_unknown_chunks(session->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(session->png, session->info);
}

int cpng_read_size(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                   char *message) {
  struct session session = {.message = message};
  if (setjmp(session.out) != 0) {
    png_destroy_read_struct(&session.png, &session.info, NULL);
    return 1;
  }
  read_header(&session, bytes, count);
  *width = png_get_image_width(session.png, session.info);
  *height = png_get_image_height(session.png, session.info);
  png_destroy_read_struct(&session.png, &session.info, NULL);
  return 0;
}

int cpng_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *rgb,
                char *message) {
  struct session session = {.message = message};
  if (setjmp(session.out) != 0) {
    png_destroy_read_struct(&session.png, &session.info, NULL);
    return 1;
  }
  read_header(&session, bytes, count);
  png_structp png = session.png;
  if (png_get_image_width(png, session.info) != width ||
      png_get_image_height(png, session.info) != height) {
    png_error(png, "the size changed between two readings of the header");
  }
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, session.info);
  size_t stride = (size_t)width * 3;
  if (png_get_rowbytes(png, session.info) != stride) png_error(png, "rows are not 8-bit RGB");
  for (int pass = 0; pass < passes; ++pass) {
    for (uint32_t y = 0; y < height; ++y) png_read_row(png, rgb + y * stride, NULL);
  }
  png_read_end(png, NULL);
  png_destroy_read_struct(&session.png, &session.info, NULL);
  return 0;
}

int cpng_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int level, uint8_t **bytes,
                size_t *count, char *message) {
  struct session session = {.message = message};
  if (setjmp(session.out) != 0) {
    png_destroy_write_struct(&session.png, &session.info);
    free(session.output);
    return 1;
  }
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, fail, warn);
  session.png = png;
  if (png == NULL) {
    strcpy(message, "libpng does not start");
    longjmp(session.out, 1);
  }
  session.info = png_create_info_struct(png);
  if (session.info == NULL) png_error(png, "out of memory");
  png_set_write_fn(png, &session, give, flush);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, level);
  png_set_IHDR(png, session.info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, session.info);
  size_t stride = (size_t)width * 3;
  for (uint32_t y = 0; y < height; ++y) png_write_row(png, rgb + y * stride);
  png_write_end(png, NULL);
  png_destroy_write_struct(&session.png, &session.info);
  *bytes = session.output;
  *count = session.used;
  return 0;
}
