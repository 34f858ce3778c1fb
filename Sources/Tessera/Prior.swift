import CPUBackend
import Execution
import Foundation
import Inference
import Priors
import Synchronization
import Training

/// A trained prior over tokens: it draws the tokens of images, and tells what tokens cost in bits.
///
/// ```swift
/// let prior = try Prior(checkpoint: "checkpoints/prior")
/// let tokenizer = try Tokenizer(checkpoint: "checkpoints/fsq")
/// for tokens in try prior.sample(16, ofClass: "cat", seed: 1) {
///   try tokenizer.decode(tokens)
/// }
/// ```
///
/// The tokens are those of the tokenizer with the fingerprint ``tokenizerFingerprint``. A prior may be used
/// from several tasks; they take turns.
public final class Prior: Sendable {
  /// The run's folder.
  public let checkpoint: String
  /// The fingerprint of the tokenizer whose tokens it has learned.
  public let tokenizerFingerprint: String
  /// The names of the classes; none where it was trained without.
  public let classes: [String]
  /// Rows of tokens of an image.
  public let rows: Int
  /// Tokens of a row.
  public let columns: Int
  /// Ids to a token.
  public let depth: Int
  /// Ids are below this.
  public let codebookSize: Int

  private let opened: Mutex<OpenedPrior<Device>>
  private let knowsNone: Bool

  /// Opens a checkpoint.
  ///
  /// - Parameters:
  ///   - folder: what `train` wrote for a configuration of kind "prior".
  ///   - threads: threads that compute; as many as there are cores where nothing is said.
  /// - Throws: ``TesseraError``: `notFound` where there is no checkpoint, `badFile` where it is damaged or
  ///   of a tokenizer, `memory`, `argument`.
  /// - Complexity: linear in the weights.
  public init(checkpoint folder: String, threads: Int? = nil) throws(TesseraError) {
    guard !folder.isEmpty else {
      throw TesseraError(.argument, "checkpoint: expected a folder, found an empty name")
    }
    let threads = try checkedThreads(threads)
    let prior = try translatingErrors {
      try OpenedPrior(
        folder: folder, weights: Checkpoint.modelFile, backend: Device(), threads: threads)
    }
    checkpoint = folder
    tokenizerFingerprint = prior.tokens.tokenizer.fingerprint
    classes = prior.tokens.classes
    (rows, columns) = (prior.tokens.rows, prior.tokens.columns)
    (depth, codebookSize) = (prior.space.depth, prior.space.codes)
    knowsNone = prior.knowsNone
    // Handed over: nobody else has it.
    nonisolated(unsafe) let only = prior
    opened = Mutex(only)
  }

  /// Draws the tokens of images.
  ///
  /// - Parameters:
  ///   - count: how many images.
  ///   - name: their class; none where nothing is said.
  ///   - temperature: logits are divided by it.
  ///   - topK: so many of the likeliest ids may come; 0 is all.
  ///   - topP: the fewest ids that are together this likely may come; 1 is all.
  ///   - guidance: how far logits are pushed towards the class; 1 is no push.
  ///   - seed: the start of all random numbers. An image is a function of the seed, its place and its class.
  /// - Returns: the tokens of each image.
  /// - Throws: ``TesseraError`` `argument` for values that make no sense, or a class that is not known.
  /// - Complexity: linear in images and weights; quadratic in the tokens of an image.
  public func sample(
    _ count: Int = 1, ofClass name: String? = nil, temperature: Double = 1, topK: Int = 0,
    topP: Double = 1, guidance: Double = 1, seed: UInt64 = 0
  ) throws(TesseraError) -> [Tokens] {
    guard count >= 0, temperature > 0, temperature.isFinite, topK >= 0, topP > 0, topP <= 1,
      guidance.isFinite
    else {
      throw TesseraError(
        .argument,
        "expected a count and topK of at least 0, a temperature above 0, topP above 0 and at most 1, and "
          + "a guidance that is a number; found \(count), \(topK), \(temperature), \(topP), \(guidance)"
      )
    }
    guard guidance == 1 || name != nil && knowsNone else {
      throw TesseraError(
        .argument,
        "guidance: expected 1, as "
          + (knowsNone
            ? "there is no class to push towards" : "no image was trained without its class")
          + "; found \(guidance)")
    }
    let label = try number(ofClass: name)
    let options = SamplingOptions(
      temperature: temperature, topK: topK, topP: topP, guidance: guidance, seed: seed)
    let images = opened.withLock { prior in
      prior.sampler.sample((0..<count).map { .init(number: $0, label: label) }, options)
    }
    var result: [Tokens] = []
    for ids in images {
      result.append(try Tokens(ids: ids, rows: rows, columns: columns, depth: depth))
    }
    return result
  }

  /// The bits that the tokens of images take under the prior: -log2 of their probability.
  ///
  /// - Parameters:
  ///   - images: the tokens of each.
  ///   - name: the class of all of them; none where nothing is said.
  /// - Throws: ``TesseraError`` `argument` where tokens are of another grid, an id is not below
  ///   ``codebookSize``, or a class is not known.
  /// - Complexity: linear in images and weights; quadratic in the tokens of an image.
  public func bits(
    of images: [Tokens], ofClass name: String? = nil
  ) throws(TesseraError) -> [Double] {
    for (index, tokens) in images.enumerated() {
      guard tokens.rows == rows, tokens.columns == columns, tokens.depth == depth,
        tokens.ids.allSatisfy({ $0 >= 0 && $0 < codebookSize })
      else {
        throw TesseraError(
          .argument,
          "image \(index): expected \(rows) x \(columns) tokens of \(depth) ids below \(codebookSize), "
            + "found \(tokens.rows) x \(tokens.columns) of \(tokens.depth), the largest id "
            + "\(tokens.ids.max() ?? -1)")
      }
    }
    let label = try number(ofClass: name)
    let nats = opened.withLock { prior in
      prior.score(images.map(\.ids), labels: images.map { _ in label })
    }
    return nats.map { $0 / M_LN2 }
  }

  private func number(ofClass name: String?) throws(TesseraError) -> Int? {
    guard let name else {
      guard knowsNone else {
        throw TesseraError(
          .argument, "expected a class, as no image was trained without one; found none")
      }
      return nil
    }
    guard let index = classes.firstIndex(of: name) else {
      throw TesseraError(
        .argument, PriorError.noSuchClass(name: name, classes: classes).description)
    }
    return index
  }
}
