import Evaluation
import TokenFiles

/// What a token file holds, counted from the file as it was written.
struct TokenSummary {
  /// How often each code occurs.
  private(set) var usage: CodebookUsage
  /// Pixels that the tokens stand for, without padding.
  private(set) var pixels = 0
  /// Images.
  let images: Int

  /// Counts.
  init(_ file: TokenFile) {
    usage = CodebookUsage(codes: file.identity.codebookSize)
    images = file.count
    for index in 0..<file.count {
      let record = file.record(at: index)
      usage.add(record.tokens.map { Int32($0) })
      pixels += record.width * record.height
    }
  }

  /// The result line of encode.
  func text(_ path: String, rate: String) -> String {
    let bits = Information.bitsPerPixel(
      tokens: usage.tokens, codes: usage.codes, width: pixels, height: 1)
    return "\(path): \(Display.count(images, "image")), \(Display.count(usage.tokens, "token")); "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used "
      + "(\(Display.percent(usage.expectedUniformUsage)) would be by as many drawn evenly), "
      + "\(Display.decimals(bits, 3)) bits/pixel; \(rate)"
  }
}
