import Configuration
import Execution
import Files
import Foundation
import Inference
import Priors
import TokenFiles

/// A prior's checkpoint, opened: weights in memory, ready to draw, score and code tokens.
public final class OpenedPrior<B: Backend> {
  /// Its folder.
  public let folder: String
  /// The run that trained it.
  public let run: PriorRunConfiguration
  /// What its tokens are, and whose.
  public let tokens: PriorTokens
  /// A hash of what decides what it expects: its shape, its tokens, its weights.
  public let fingerprint: String
  /// Draws and codes tokens.
  public let sampler: TokenSampler<B>

  private let parameters: ParameterMemory<B>
  private let pool: LanePool
  private let lanes: Int

  /// Reads a checkpoint's configuration and weights.
  ///
  /// - Parameters:
  ///   - folder: the run's folder.
  ///   - file: which of its weights.
  /// - Throws: ``TrainingError``; `ConfigurationError`; `MemoryShortage`.
  public init(folder: String, weights file: String, backend: B, threads: Int) throws {
    let checkpoint = Checkpoint(folder: folder)
    run = try checkpoint.readPriorConfiguration()
    tokens = try checkpoint.readPriorTokens()
    let layout = TokenSampler<B>.parameterLayout(run.model, tokens.space)
    var need = MemoryNeed()
    need.add("weights", bytes: 4 * Double(layout.words), keys: ["model.width", "model.layers"])
    try MemoryLimits().check(need, "\(folder): the prior of \(Checkpoint.configurationFile)")
    parameters = ParameterMemory(layout, on: backend)
    let weights = try checkpoint.readModel(file, into: parameters)
    if let name = parameters.firstNonFinite() {
      throw TrainingError.damaged(
        file: checkpoint.path(file), reason: "\"\(name)\" holds a number that is not finite")
    }
    fingerprint = Fingerprint.hexadecimal(
      Fingerprint.hash(
        of: [
          Fingerprint.hash(run.model.resolved), Fingerprint.hash(tokens.tokenizer.fingerprint),
          weights.value,
        ]))
    (self.folder, lanes, pool) = (folder, threads, LanePool(threads: threads))
    sampler = TokenSampler(
      run.model, tokens.space, parameters: parameters, lanes: threads, threads: threads)
  }

  /// What its tokens are.
  public var space: TokenSpace { tokens.space }

  /// What decides the last bits of what it expects.
  var arithmetic: String { "Tessera \(Release.version), \(parameters.backend.arithmetic)" }

  /// Whether it was trained with images without a class.
  public var knowsNone: Bool { space.classes == 0 || run.model.transformer.classDropout > 0 }

  /// Refuses tokens that the prior has not learned.
  public func check(_ file: TokenFile, path: String) throws {
    guard file.identity == tokens.tokenizer else {
      throw PriorError.foreignPrior(
        folder: folder, found: "\(path) (\(file.identity.fingerprint))",
        expected: tokens.tokenizer.fingerprint)
    }
    for index in 0..<file.count {
      let shape = file.shape(at: index)
      guard shape.gridHeight == tokens.rows, shape.gridWidth == tokens.columns else {
        throw PriorError.otherGrid(
          path: path, image: shape.path, expected: (tokens.rows, tokens.columns),
          found: (shape.gridHeight, shape.gridWidth))
      }
    }
  }

  /// The classes of a file's images as the prior counts them.
  ///
  /// - Throws: ``PriorError`` for a class that it has not learned, or none where it has learned no image
  ///   without one.
  public func labels(of file: TokenFile, path: String) throws -> [Int?] {
    let known = try file.classes.map { name -> Int? in
      guard !tokens.classes.isEmpty else { return nil }
      guard let index = tokens.classes.firstIndex(of: name) else {
        throw PriorError.noSuchClass(name: name, classes: tokens.classes)
      }
      return index
    }
    return try (0..<file.count).map { index in
      let label = file.shape(at: index).label.flatMap { known[$0] }
      guard label != nil || knowsNone else {
        throw PriorError.needsClass(path: path, folder: folder)
      }
      return label
    }
  }

  /// The negative log-likelihood of each image's ids in nats, by one pass over whole sequences.
  ///
  /// - Parameters:
  ///   - images: ids `[rows, columns, depth]` of each.
  ///   - labels: the class of each; nil for none.
  public func score(
    _ images: [[Int32]], labels: [Int?], progress: (_ done: Int) -> Void = { _ in }
  ) -> [Double] {
    TokenScorer(
      run.model, space, parameters: parameters, lanes: lanes, pool: pool
    ).score(images, labels: labels, progress: progress)
  }
}
