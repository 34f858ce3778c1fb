#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

_Static_assert(JMSG_LENGTH_MAX <= CJPEG_MESSAGE_SIZE, "a message of libjpeg fits");

// Everything that changes between setjmp and longjmp lives here, allocated: an automatic variable
// that changes in between has an indeterminate value afterwards.
struct session {
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  struct jpeg_decompress_struct reader;
  struct jpeg_compress_struct writer;
  jmp_buf out;
  char *message;
  int scan_limit;
  uint8_t *row;
  struct jpeg_destination_mgr destination;
  uint8_t *output;
  size_t capacity;
};

static void fail(j_common_ptr info) {
  struct session *session = info->client_data;
  info->err->format_message(info, session->message);
  longjmp(session->out, 1);
}

static void fail_saying(j_common_ptr info, const char *reason) {
  struct session *session = info->client_data;
  strncpy(session->message, reason, CJPEG_MESSAGE_SIZE - 1);
  session->message[CJPEG_MESSAGE_SIZE - 1] = 0;
  longjmp(session->out, 1);
}

// Of libjpeg's warnings (level -1) one says that the file is cut off; libjpeg would fill the rest with
// gray. Others say that data are missing or damaged in some place: the first of them is kept in the
// message, for the image to be used with a warning.
static void warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  struct session *session = info->client_data;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
      fail(info);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      if (session->message[0] == 0) info->err->format_message(info, session->message);
      return;
    default:
      return;
  }
}

static void stay_silent(j_common_ptr info) { (void)info; }

// A progressive file may hold any number of scans, each over the whole image: cheap to write,
// dear to read.
static void count_scans(j_common_ptr info) {
  struct session *session = info->client_data;
  if (((j_decompress_ptr)info)->input_scan_number > session->scan_limit) {
    fail_saying(info, "more scans than any encoder writes");
  }
}

static struct jpeg_error_mgr *errors(struct session *session) {
  jpeg_std_error(&session->errors);
  session->errors.error_exit = fail;
  session->errors.emit_message = warn;
  session->errors.output_message = stay_silent;
  return &session->errors;
}

static struct session *begin(char *message) {
  struct session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    strcpy(message, "out of memory");
    return NULL;
  }
  session->message = message;
  message[0] = 0;
  session->reader.client_data = session;
  session->writer.client_data = session;
  session->reader.err = session->writer.err = errors(session);
  return session;
}

static int end_reading(struct session *session, int status) {
  jpeg_destroy_decompress(&session->reader);
  free(session->row);
  free(session);
  return status;
}

static int end_writing(struct session *session, int status) {
  jpeg_destroy_compress(&session->writer);
  if (status != 0) free(session->output);
  free(session);
  return status;
}

// Opens a reader and reads up to the first scan. Jumps out on failure.
static void read_header(struct jpeg_decompress_struct *info, const uint8_t *bytes, size_t count) {
  jpeg_create_decompress(info);
  jpeg_mem_src(info, bytes, (unsigned long)count);
  jpeg_read_header(info, TRUE);
}

int cjpeg_read_size(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                    char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_reading(session, 1);
  read_header(&session->reader, bytes, count);
  *width = session->reader.image_width;
  *height = session->reader.image_height;
  return end_reading(session, 0);
}

// CMYK as Adobe stores it, inverted: each of R, G, B is the stored colour times the stored black
// over 255, rounded.
static void convert_row(const uint8_t *cmyk, uint8_t *rgb, uint32_t width) {
  for (uint32_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    uint32_t black = cmyk[3];
    for (int channel = 0; channel < 3; ++channel) {
      uint32_t absorbed = (255 - cmyk[channel]) * black;
      rgb[channel] = (uint8_t)(black - (absorbed + 127) / 255);
    }
  }
}

int cjpeg_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height,
                 int scan_limit, uint8_t *rgb, char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_reading(session, 1);
  session->scan_limit = scan_limit;
  struct jpeg_decompress_struct *const info = &session->reader;
  read_header(info, bytes, count);
  if (info->image_width != width || info->image_height != height) {
    fail_saying((j_common_ptr)info, "the size changed between two readings of the header");
  }
  session->progress.progress_monitor = count_scans;
  info->progress = &session->progress;
  // What a progressive image of this size needs at most: four components of 16-bit coefficients
  // at full size, whole units of 32x32 at the edges, and working space.
  size_t coefficients = ((size_t)width + 32) * ((size_t)height + 32) * 4;
  info->mem->max_memory_to_use = (long)(coefficients * 2 + (16 << 20));
  int is_cmyk = info->num_components == 4;
  info->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(info);
  if (info->output_components != (is_cmyk ? 4 : 3)) {
    fail_saying((j_common_ptr)info, "rows are neither RGB nor CMYK");
  }
  if (is_cmyk) {
    session->row = malloc((size_t)width * 4);
    if (session->row == NULL) fail_saying((j_common_ptr)info, "out of memory");
  }
  while (info->output_scanline < height) {
    uint8_t *target = rgb + (size_t)info->output_scanline * width * 3;
    JSAMPROW row = is_cmyk ? session->row : target;
    jpeg_read_scanlines(info, &row, 1);
    if (is_cmyk) convert_row(session->row, target, width);
  }
  jpeg_finish_decompress(info);
  return end_reading(session, 0);
}

// Output grows by doubling, from what `session.output` holds: libjpeg's own memory destination
// leaves a dangling pointer behind if it fails after growing.
static void grow(j_compress_ptr info) {
  struct session *session = info->client_data;
  size_t used = session->capacity;
  size_t capacity = used == 0 ? 1 << 16 : used * 2;
  uint8_t *output = realloc(session->output, capacity);
  if (output == NULL) fail_saying((j_common_ptr)info, "out of memory");
  session->output = output;
  session->capacity = capacity;
  session->destination.next_output_byte = output + used;
  session->destination.free_in_buffer = capacity - used;
}

static boolean grow_when_full(j_compress_ptr info) {
  grow(info);
  return TRUE;
}

static void end_output(j_compress_ptr info) { (void)info; }

int cjpeg_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
                 int halves_chroma, uint8_t **bytes, size_t *count, char *message) {
  struct session *const session = begin(message);
  if (session == NULL) return 1;
  if (setjmp(session->out) != 0) return end_writing(session, 1);
  struct jpeg_compress_struct *const info = &session->writer;
  jpeg_create_compress(info);
  session->destination.init_destination = grow;
  session->destination.empty_output_buffer = grow_when_full;
  session->destination.term_destination = end_output;
  info->dest = &session->destination;
  info->image_width = width;
  info->image_height = height;
  info->input_components = 3;
  info->in_color_space = JCS_RGB;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  info->comp_info[0].h_samp_factor = halves_chroma ? 2 : 1;
  info->comp_info[0].v_samp_factor = halves_chroma ? 2 : 1;
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < height) {
    JSAMPROW row = (JSAMPROW)(rgb + (size_t)info->next_scanline * width * 3);
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
  *bytes = session->output;
  *count = session->capacity - session->destination.free_in_buffer;
  return end_writing(session, 0);
}
