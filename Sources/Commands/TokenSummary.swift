import Evaluation
import TokenFiles

/// What a token file holds, counted from the file as it was written.
struct TokenSummary {
  /// How often each code occurs, at each depth of the tokens.
  private(set) var depths: DepthUsage
  /// Pixels that the tokens stand for, without padding.
  private(set) var pixels = 0
  /// Images.
  let images: Int

  /// Counts.
  ///
  /// Errors: a file that was cut or changed meanwhile.
  init(_ file: TokenFile) throws {
    depths = DepthUsage(codes: file.identity.codebookSize, depth: file.identity.depth)
    images = file.count
    for index in 0..<file.count {
      let record = try file.record(at: index)
      depths.add(record.tokens.map { Int32($0) })
      // What files say of sizes may be anything.
      let (area, overflows) = record.width.multipliedReportingOverflow(by: record.height)
      pixels = overflows || area > .max - pixels ? .max : pixels + area
    }
  }

  /// The result line of encode.
  func text(_ path: String, rate: String) -> String {
    let (usage, depth) = (depths.pooled, depths.depths.count)
    let indices = depth > 1 ? " of \(depth) ids" : ""
    let perDepth =
      depth > 1
      ? ", at each depth " + depths.depths.map { Display.count($0.used) }.joined(separator: ", ")
      : ""
    let bits = Information.bitsPerPixel(
      tokens: usage.ids, codes: usage.codes, width: pixels, height: 1)
    return
      "\(path): \(Display.count(images, "image")), \(Display.count(depths.tokens, "token"))\(indices); "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used "
      + "(uniform sampling would show \(Display.percent(usage.expectedUniformUsage)))"
      + "\(perDepth), "
      + "\(Display.decimals(bits, 3)) bits/pixel; \(rate)"
  }
}
