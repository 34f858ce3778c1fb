import Configuration
import Datasets
import Foundation
import Tokenizers
import Training

/// What a run is, in the two lines that `train` begins with.
struct RunDescription {
  private let run: RunConfiguration

  /// A run as it is configured.
  init(_ run: RunConfiguration) { self.run = run }

  /// The tokenizer: `fsq 8,5,5,5: 32x32 pixels -> 16x16 tokens of 1,000 codes, 2.49 bits/pixel`.
  func tokenizer(parameters: Int) -> String {
    let (side, grid) = (run.data.imageSize, run.data.imageSize / run.model.downsampling)
    let depth = run.quantizer.depth
    let tokens = "\(grid)x\(grid)\(depth > 1 ? "x\(depth)" : "") tokens"
    return "\(quantizer): \(side)x\(side) pixels -> \(tokens) of "
      + "\(Display.count(run.quantizer.codebookSize, "code")), "
      + "\(Display.decimals(bitsPerPixel, bitsPerPixel < 1 ? 3 : 2)) bits/pixel; "
      + Display.count(parameters, "parameter")
  }

  /// Bits of the tokens of an image over its pixels.
  var bitsPerPixel: Double {
    let side = Double(run.model.downsampling)
    return Double(run.quantizer.depth) * log2(Double(run.quantizer.codebookSize))
      / (side * side)
  }

  /// The images, the length, the cores and the folder.
  func work(_ overview: TrainingOverview, folder: String) -> String {
    let training = run.training
    let epochs =
      Double(training.steps) * Double(training.batchSize) / Double(max(1, overview.trainingImages))
    return "\(Display.count(overview.trainingImages, "image")), "
      + "\(Display.count(overview.evaluationImages)) for evaluation; "
      + "\(Display.count(training.steps, "step")) of \(training.batchSize) = "
      + "\(Self.epochs(epochs)); \(Self.cores(overview)), "
      + "\(Display.megabytes(overview.arenaBytes)); \(folder)"
  }

  /// "2 of 16 cores (--set training.lanes=16 uses all)".
  static func cores(_ overview: TrainingOverview) -> String {
    let used = "\(overview.threads) of \(Display.count(overview.cores, "core"))"
    let most = overview.lanesForAllCores
    guard most > overview.lanes, overview.threads < overview.cores else { return used }
    return used
      + " (--set training.lanes=\(most) uses \(most == overview.cores ? "all" : "\(most)"))"
  }

  private static func epochs(_ count: Double) -> String {
    let text =
      count >= 100 ? Display.count(Int(count.rounded())) : Display.decimals(count, 1)
    return text + (text == "1.0" ? " epoch" : " epochs")
  }

  /// The quantizer's type with its size: `fsq 8,5,5,5`, `vq 1024x8`, `bsq 18 bits`.
  private var quantizer: String {
    let kind = run.quantizer.kind
    func texts(_ key: String) -> String? {
      guard case .object(let root)? = try? JSONValue(parsing: run.resolved),
        case .object(let object)? = root["quantizer"], let value = object[key]
      else { return nil }
      if case .array(let items) = value { return items.map(\.compactText).joined(separator: ",") }
      return value == .null ? nil : value.compactText
    }
    let depth = texts("depth").map { "\($0) x " } ?? texts("groups").map { "\($0) x " } ?? ""
    if let levels = texts("levels") { return "\(kind) \(depth)\(levels)" }
    if let bits = texts("bits") { return "\(kind) \(bits) bits" }
    let dimension = texts("codeDimension").map { "x\($0)" } ?? ""
    return texts("codebookSize").map { "\(kind) \(depth)\($0)\(dimension)" } ?? kind
  }
}
