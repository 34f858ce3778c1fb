/// How many images are handled at a time: enough that lanes seldom wait for each other, few enough
/// that memory is bounded and a stop is heeded soon.
///
/// Small images come by the half megapixel, 512 of 32x32; large ones by the dozen, native sizes
/// differ and lanes share those of one size, up to eight megapixels. One image always passes.
struct PortionLimit: Sendable {
  /// Threads that compute.
  let threads: Int

  private static let imagesPerThread = 8
  private static let pixels = 1 << 19
  private static let mostPixels = 1 << 23
  /// What the smallest image counts, and one that cannot be read.
  private static let leastPixels = 1 << 10

  /// Pixels as they count.
  static func counted(_ pixels: Int) -> Int { max(pixels, leastPixels) }

  /// Whether one more image may join so many of so many counted pixels.
  func admits(_ next: Int, to images: Int, pixels: Int) -> Bool {
    if images == 0 { return true }
    let sum = pixels + next
    return sum <= Self.pixels
      || (images < threads * Self.imagesPerThread && sum <= Self.mostPixels)
  }
}
