import Foundation

/// The information in tokens, in bits.
public enum Information {
  /// Bits per token of a codebook of `K` codes: `log2 K`.
  public static func bitsPerToken(codes: Int) -> Double {
    precondition(codes > 0, "a codebook has a code")
    return log2(Double(codes))
  }

  /// Bits per pixel: `tokens * log2 K / (width * height)`, where 8-bit RGB has 24.
  public static func bitsPerPixel(tokens: Int, codes: Int, width: Int, height: Int) -> Double {
    precondition(tokens >= 0 && width > 0 && height > 0, "an image has at least one pixel")
    return Double(tokens) * bitsPerToken(codes: codes) / (Double(width) * Double(height))
  }
}
