#include "CPNG.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// Everything that changes between setjmp and longjmp lives here, allocated: an automatic variable
// that changes in between has an indeterminate value afterwards.
struct session {
  jmp_buf out;
  char *message;
  png_structp png;
  png_infop info;
  const uint8_t *input;
  size_t remaining;
  uint8_t *row;
  uint8_t *output;
  size_t used;
  size_t capacity;
};

static struct session *begin(char *message) {
  struct session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    strcpy(message, "out of memory");
    return NULL;
  }
  session->message = message;
  return session;
}

static int end_reading(struct session *session, int status) {
  png_destroy_read_struct(&session->png, &session->info, NULL);
  free(session->row);
  free(session);
  return status;
}

static int end_writing(struct session *session, int status) {
  png_destroy_write_struct(&session->png, &session->info);
  if (status != 0) free(session->output);
  free(session);
  return status;
}

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

int cpng_read_header(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                     int *has_alpha, char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_reading(session, 1);
  read_header(session, bytes, count);
  *width = png_get_image_width(session->png, session->info);
  *height = png_get_image_height(session->png, session->info);
  *has_alpha = (png_get_color_type(session->png, session->info) & PNG_COLOR_MASK_ALPHA) != 0 ||
               png_get_valid(session->png, session->info, PNG_INFO_tRNS) != 0;
  return end_reading(session, 0);
}

// Over the background at 8 bits: (c a + b (255 - a)) / 255 to the nearest; there are no ties, since
// 255 is odd.
static void composite8(const uint8_t *rgba, size_t pixels, const uint8_t *background, uint8_t *rgb,
                       size_t step) {
  for (size_t x = 0; x < pixels; ++x, rgba += 4, rgb += step) {
    uint32_t alpha = rgba[3];
    for (int channel = 0; channel < 3; ++channel) {
      uint32_t sum = rgba[channel] * alpha + background[channel] * (255 - alpha);
      rgb[channel] = (uint8_t)((sum + 127) / 255);
    }
  }
}

// The same at 16 bits, where the background b is 257 b, and then >> 8, as samples without alpha are
// reduced.
static void composite16(const uint8_t *rgba, size_t pixels, const uint8_t *background,
                        uint8_t *rgb, size_t step) {
  for (size_t x = 0; x < pixels; ++x, rgba += 8, rgb += step) {
    uint32_t alpha = (uint32_t)rgba[6] << 8 | rgba[7];
    for (int channel = 0; channel < 3; ++channel) {
      uint32_t sample = (uint32_t)rgba[2 * channel] << 8 | rgba[2 * channel + 1];
      uint32_t sum = sample * alpha + background[channel] * 257u * (65535 - alpha);
      rgb[channel] = (uint8_t)((sum + 32767) / 65535 >> 8);
    }
  }
}

// By a table: blends[256 alpha + sample].
static void composite_by_table(const uint8_t *rgba, size_t pixels, const uint8_t *blends,
                               uint8_t *rgb, size_t step) {
  for (size_t x = 0; x < pixels; ++x, rgba += 4, rgb += step) {
    const uint8_t *row = blends + 256 * (size_t)rgba[3];
    for (int channel = 0; channel < 3; ++channel) rgb[channel] = row[rgba[channel]];
  }
}

// Rows with alpha, one at a time. Of an interlaced image each pass comes as a small image of its own
// (Adam7), whose pixels go to their places.
static void read_over(struct session *session, uint32_t width, uint32_t height,
                      const uint8_t *background, const uint8_t *blends, uint8_t *rgb) {
  png_structp png = session->png;
  int is_wide = png_get_bit_depth(png, session->info) == 16;
  int is_interlaced = png_get_interlace_type(png, session->info) != PNG_INTERLACE_NONE;
  session->row = malloc((size_t)width * (is_wide ? 8 : 4));
  if (session->row == NULL) png_error(png, "out of memory");
  for (int pass = 0; pass < (is_interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1); ++pass) {
    uint32_t left = is_interlaced ? PNG_PASS_START_COL(pass) : 0;
    uint32_t top = is_interlaced ? PNG_PASS_START_ROW(pass) : 0;
    uint32_t right = is_interlaced ? 1u << PNG_PASS_COL_SHIFT(pass) : 1;
    uint32_t down = is_interlaced ? 1u << PNG_PASS_ROW_SHIFT(pass) : 1;
    if (left >= width || top >= height) continue;
    size_t columns = ((size_t)width - left + right - 1) / right;
    for (size_t y = top; y < height; y += down) {
      png_read_row(png, session->row, NULL);
      uint8_t *target = rgb + (y * width + left) * 3;
      if (blends != NULL) {
        composite_by_table(session->row, columns, blends, target, (size_t)right * 3);
      } else if (is_wide) {
        composite16(session->row, columns, background, target, (size_t)right * 3);
      } else {
        composite8(session->row, columns, background, target, (size_t)right * 3);
      }
    }
  }
}

int cpng_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height,
                const uint8_t *background, const uint8_t *blends, uint8_t *rgb, char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_reading(session, 1);
  read_header(session, bytes, count);
  png_structp png = session->png;
  if (png_get_image_width(png, session->info) != width ||
      png_get_image_height(png, session->info) != height) {
    png_error(png, "the size changed between two readings of the header");
  }
  int has_alpha = (png_get_color_type(png, session->info) & PNG_COLOR_MASK_ALPHA) != 0 ||
                  png_get_valid(png, session->info, PNG_INFO_tRNS) != 0;
  png_set_gray_to_rgb(png);
  if (has_alpha && background != NULL) {
    png_set_expand(png);
    if (blends != NULL) png_set_strip_16(png);
    png_read_update_info(png, session->info);
    size_t bytes_a_pixel = png_get_bit_depth(png, session->info) == 16 ? 8 : 4;
    if (png_get_channels(png, session->info) != 4) png_error(png, "rows are not RGBA");
    // The rows of the widest pass, or of the image.
    if (png_get_rowbytes(png, session->info) > (size_t)width * bytes_a_pixel) {
      png_error(png, "rows are not RGBA");
    }
    read_over(session, width, height, background, blends, rgb);
    png_read_end(png, NULL);
    return end_reading(session, 0);
  }
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, session->info);
  size_t stride = (size_t)width * 3;
  if (png_get_rowbytes(png, session->info) != stride) png_error(png, "rows are not 8-bit RGB");
  for (int pass = 0; pass < passes; ++pass) {
    for (uint32_t y = 0; y < height; ++y) png_read_row(png, rgb + y * stride, NULL);
  }
  png_read_end(png, NULL);
  return end_reading(session, 0);
}

int cpng_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int level, uint8_t **bytes,
                size_t *count, char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_writing(session, 1);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, session, fail, warn);
  session->png = png;
  if (png == NULL) {
    strcpy(message, "libpng does not start");
    longjmp(session->out, 1);
  }
  session->info = png_create_info_struct(png);
  if (session->info == NULL) png_error(png, "out of memory");
  png_set_write_fn(png, session, give, flush);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, level);
  png_set_IHDR(png, session->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, session->info);
  size_t stride = (size_t)width * 3;
  for (uint32_t y = 0; y < height; ++y) png_write_row(png, rgb + y * stride);
  png_write_end(png, NULL);
  *bytes = session->output;
  *count = session->used;
  return end_writing(session, 0);
}
