import Safetensors

/// Which tokenizer made the tokens: what must agree before they may be decoded.
public struct TokenizerIdentity: Codable, Equatable, Sendable {
  /// Hash of the weights and the configuration, in hexadecimal digits.
  public let fingerprint: String
  /// The kind of bottleneck: "fsq", "vq", ...
  public let quantizer: String
  /// Levels per channel where ids are digits (FSQ), else nil; their product is `codebookSize`.
  public let levels: [Int]?
  /// K: ids are 0 ..< K.
  public let codebookSize: Int
  /// Ids to a token: 1, or more for residual and product quantizers.
  public let depth: Int
  /// Pixels per side of the square that one token stands for.
  public let downsampling: Int

  /// Describes a tokenizer; writers and readers check that it is consistent.
  public init(
    fingerprint: String, quantizer: String, levels: [Int]? = nil, codebookSize: Int,
    depth: Int = 1, downsampling: Int
  ) {
    self.fingerprint = fingerprint
    self.quantizer = quantizer
    self.levels = levels
    self.codebookSize = codebookSize
    self.depth = depth
    self.downsampling = downsampling
  }

  /// The smallest of U8, U16 and U32 that holds the ids 0 ..< K.
  public var idType: ElementType {
    codebookSize <= 1 << 8 ? .u8 : codebookSize <= 1 << 16 ? .u16 : .u32
  }

  /// The key that makes no sense, and why; nil where all is well.
  var problem: (key: String, reason: String)? {
    if fingerprint.isEmpty || !fingerprint.allSatisfy(\.isHexDigit) {
      return ("fingerprint", "expected hexadecimal digits, found \"\(fingerprint)\"")
    }
    if quantizer.isEmpty { return ("quantizer", "expected a name such as \"fsq\", found nothing") }
    if !(1...1 << 32).contains(codebookSize) {
      return ("codebook_size", "expected 1 to 4294967296, found \(codebookSize)")
    }
    if !(1...1 << 10).contains(depth) {
      return ("depth", "expected 1 to 1024 ids per token, found \(depth)")
    }
    if !(1...1 << 16).contains(downsampling) {
      return ("downsampling", "expected 1 to 65536 pixels, found \(downsampling)")
    }
    if let levels {
      var product = 1
      for level in levels {
        let (next, overflow) = product.multipliedReportingOverflow(by: level)
        if level < 2 || overflow {
          return ("levels", "expected levels of 2 or more, found \(levels)")
        }
        product = next
      }
      if product != codebookSize {
        return ("levels", "\(levels) make \(product) codes, but codebook_size is \(codebookSize)")
      }
    }
    return nil
  }

  /// "fsq [8, 5, 5, 5], 8 pixels per token, fingerprint 3f...".
  var summary: String {
    let size = levels.map { "\($0)" } ?? "of \(codebookSize) codes"
    return
      "\(quantizer) \(size)\(depth > 1 ? " by \(depth)" : ""), \(downsampling) pixels per token, fingerprint \(fingerprint)"
  }
}
