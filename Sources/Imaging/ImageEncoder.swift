import Files
import CJPEG
import CPNG

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Writes images as PNG or JPEG files.
public struct ImageEncoder: Sendable {
  /// Whether JPEG stores colour at half the width and height (4:2:0), as cameras do.
  ///
  /// Off by default: reconstructions are looked at for their colours, and small images suffer most.
  public let halvesChroma: Bool
  /// zlib's level, 0 (stored) to 9 (smallest), for PNG.
  public let compressionLevel: Int

  /// An encoder; by default 4:4:4 chroma and zlib level 6.
  public init(halvesChroma: Bool = false, compressionLevel: Int = 6) {
    precondition((0...9).contains(compressionLevel), "zlib's levels are 0...9")
    self.halvesChroma = halvesChroma
    self.compressionLevel = compressionLevel
  }

  /// The bytes of a file.
  ///
  /// `quality`, 1...100, is for JPEG alone; `name` is for error messages.
  public func encode(
    _ image: Image, as format: ImageFormat, quality: Int = 95, name: String = "image"
  ) throws(ImageError) -> [UInt8] {
    precondition((1...100).contains(quality), "the quality is 1...100")
    guard image.width < 1 << 31, image.height < 1 << 31 else {
      throw .cannotEncode(file: name, format: format, reason: "a side of 2^31 pixels or more")
    }
    let width = UInt32(image.width)
    let height = UInt32(image.height)
    var message = [CChar](repeating: 0, count: max(Int(CPNG_MESSAGE_SIZE), Int(CJPEG_MESSAGE_SIZE)))
    var output: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status =
      switch format {
      case .png:
        cpng_encode(
          image.pixels, width, height, Int32(compressionLevel), &output, &count, &message)
      case .jpeg:
        cjpeg_encode(
          image.pixels, width, height, Int32(quality), halvesChroma ? 1 : 0, &output, &count,
          &message)
      }
    guard status == 0 else {
      let reason = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw .cannotEncode(
        file: name, format: format, reason: String(decoding: reason, as: UTF8.self))
    }
    defer { free(output) }
    return [UInt8](UnsafeBufferPointer(start: output, count: count))
  }

  /// Writes a file whole or not at all: a temporary file beside it, then a rename.
  ///
  /// On failure a file that was there before is unchanged, and nothing half written stays. What a
  /// killed process left is overwritten by the next one that writes the same file. With `isDurable`
  /// false nothing is forced onto the disk, which takes most of the time where images are small; see
  /// `AtomicFile`.
  public func write(
    _ image: Image, to path: String, as format: ImageFormat, quality: Int = 95,
    isDurable: Bool = true
  ) throws(ImageError) {
    try ImageFile.save(
      encode(image, as: format, quality: quality, name: path), to: path, isDurable: isDurable)
  }
}
