import Configuration
import Files
import Formatting
import Tokenizers

/// A prior over the tokens of a tokenizer: what held-out tokens cost under it, by the last evaluation
/// in its log.
public struct PriorRun: Sendable {
  /// The tokens that a prior has learned.
  public struct Tokens: Sendable, Equatable {
    /// The tokenizer's fingerprint: a hash of weights and configuration, in hexadecimal digits.
    public var fingerprint: String
    /// The tokenizer's quantizer in a word, such as "fsq".
    public var quantizer: String
    /// Rows of an image's grid, and tokens in a row.
    public var rows, columns: Int
    /// Classes of the images; 0 where they have none.
    public var classes: Int

    /// The tokens of a tokenizer.
    public init(fingerprint: String, quantizer: String, rows: Int, columns: Int, classes: Int) {
      (self.fingerprint, self.quantizer) = (fingerprint, quantizer)
      (self.rows, self.columns, self.classes) = (rows, columns, classes)
    }
  }

  /// The tokens that it has learned.
  public let tokens: Tokens
  /// Numbers that were trained.
  public let parameters: Int
  /// Updates that were made.
  public let steps: Int
  /// The step of the last evaluation.
  public let evaluationStep: Int
  /// Held-out images of that evaluation.
  public let images: Int
  /// Images that it was trained on; nil where its log does not tell.
  public let trainingImages: Int?
  /// Bits to tell a token, all its ids, given those before it and the class.
  public let bitsPerToken: Double
  /// Bits to tell an image.
  public let bitsPerImage: Double
  /// Bits of an image to one of its pixels.
  public let bitsPerPixel: Double
  /// Bits a token without a prior: log2 K for each of its ids.
  public let budget: Double
  /// Bits a token by the frequencies of ids; nil in logs without.
  public let marginal: Double?
  /// Bits a token by the id before; nil in logs without.
  public let bigram: Double?
  /// The least bits a token of all evaluations, and when.
  public let least: (step: Int, bitsPerToken: Double)
  /// Images a second in training: the median of the log's lines.
  public let trainingRate: Double?
  /// How like real images those are that it draws; nil where nobody has measured it.
  public var quality: QualityRecord?

  /// The prior that a log tells of; nil where the log has no evaluation.
  public init?(tokens: Tokens, parameters: Int, steps: Int, history: RunHistory) {
    let bits = history[.evaluation, "bitsPerToken"]
    func last(_ key: String) -> Double? { history[.evaluation, key].last }
    guard let step = bits.steps.last, let token = bits.last, let image = last("bitsPerImage"),
      let pixel = last("bitsPerPixel"), let budget = last("budgetBits"),
      let least = zip(bits.steps, bits.values).min(by: { $0.1 < $1.1 })
    else { return nil }
    (self.tokens, self.parameters, self.steps) = (tokens, parameters, steps)
    evaluationStep = step
    images = last("images").map { Int(min($0, 1e15)) } ?? 0
    trainingImages =
      history.sessions.last { $0.numbers["trainingImages"] != nil }?.numbers["trainingImages"]
    (bitsPerToken, bitsPerImage, bitsPerPixel) = (token, image, pixel)
    (self.budget, marginal, bigram) = (budget, last("marginalBits"), last("bigramBits"))
    self.least = (least.0, least.1)
    trainingRate = history[.step, "imagesPerSecond"].median
  }

  /// The budget as bits to a pixel of the same images.
  public var budgetPerPixel: Double { budget * bitsPerPixel / bitsPerToken }
  /// The fraction of the budget that it saves; below zero where it costs more.
  public var saved: Double { 1 - bitsPerToken / budget }
}

// MARK: - Words

extension PriorRun {
  /// Bits above the least evaluation from which on a prior is said to overfit, as a fraction.
  static let risen = 0.005

  /// What its bits say of it, a sentence each without a full stop.
  var reasons: [String] {
    var reasons = [
      "\(NumberText.decimals(bitsPerToken, 2)) bits/token on \(Display.count(images)) held-out "
        + "image\(images == 1 ? "" : "s"), \(NumberText.percent(saved)) below the budget of "
        + NumberText.decimals(budget, 2)
    ]
    if saved < 0 {
      reasons[0] =
        "\(NumberText.decimals(bitsPerToken, 2)) bits/token, more than the budget of "
        + NumberText.decimals(budget, 2)
    }
    if isNoBetterThanPairs, let bigram {
      reasons.append(
        "that is no better than the bigram's \(NumberText.decimals(bigram, 2)), which knows one "
          + "token of context")
    }
    if overfits {
      reasons.append(
        "its bits were \(NumberText.decimals(least.bitsPerToken, 2)) at step "
          + "\(Display.count(least.step)) and have risen since: it overfits")
    }
    if evaluationStep < steps {
      reasons.append(
        "evaluated at step \(Display.count(evaluationStep)) of \(Display.count(steps))")
    }
    return reasons
  }

  /// What to do next, a sentence with its command; may be empty.
  ///
  /// - Parameter folder: the run's folder as commands should name it.
  func next(folder: String) -> String {
    if overfits { return "Train again, and keep the best weights: --set monitor.keepBest=bits" }
    guard isNoBetterThanPairs else { return "" }
    return
      "Continue: \(CommandName.typed("train")) --resume --output \(folder) --steps \(2 * steps)"
  }

  private var isNoBetterThanPairs: Bool { bigram.map { bitsPerToken >= $0 } ?? false }
  private var overfits: Bool { bitsPerToken > least.bitsPerToken * (1 + Self.risen) }
}

extension QuantizerPresentation {
  /// None: a prior, which has learned the tokens of another run's quantizer.
  static let prior = Self(
    kind: "prior", shape: "", facts: JSONObject(), codes: 0, measures: [], remedy: "")
}
