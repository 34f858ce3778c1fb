import Configuration
import Diagnostics

/// An average of the weights over the steps of a run.
public enum AverageKind: String, Sendable, CaseIterable {
  /// The mean of all iterates.
  case uniform
  /// The mean weighted by each step's learning rate.
  case rateWeighted
  /// The mean of the last part of the run.
  case tail
  /// The polynomial-decay average of Shamir and Zhang, which forgets the start.
  case polynomial
  /// The exponential moving average.
  case ema
}

/// Averages of the weights over steps: which are kept, and which weights are saved to encode with.
///
/// Each takes twice the memory of the weights, as it is kept in double-float precision.
public struct AveragingConfiguration: Sendable, Equatable {
  /// The weights that encode: those of the last step, or an average.
  public enum Saved: String, Sendable, CaseIterable {
    /// The weights of the last step.
    case last
    /// An average of the same name as in ``AverageKind``.
    case uniform, rateWeighted, tail, polynomial, ema
  }

  /// The codebook of averaged weights.
  public enum Codebook: String, Sendable, CaseIterable {
    /// The average of the codebook's own iterates, where the optimizer trains it.
    ///
    /// A codebook that follows moving averages of its vectors (`codebookLearning` "ema") is one
    /// already, and is saved as it is after the last step.
    case averaged
    /// The means of the vectors that the averaged encoder sends to each averaged code.
    case reestimated
  }

  /// Whether the mean of all iterates is kept.
  public var uniform: Bool
  /// Whether the mean weighted by learning rates is kept.
  public var rateWeighted: Bool
  /// Whether the mean of the last part of the run is kept.
  public var tail: Bool
  /// The part of the run that `tail` averages; 0 restarts at every power of two.
  public var tailShare: Double
  /// Whether the polynomial-decay average is kept.
  public var polynomial: Bool
  /// The power of its weights: near `t^gamma`.
  public var polynomialGamma: Double
  /// Whether the exponential moving average is kept.
  public var ema: Bool
  /// The fraction of the exponential moving average that a step leaves.
  public var emaDecay: Double
  /// The weights that encode.
  public var save: Saved
  /// The codebook that is saved with averaged weights.
  public var codebook: Codebook
  /// Images on which the last weights and the averages are held side by side.
  public var evaluationImages: Int

  /// Describes averages.
  public init(
    uniform: Bool = false, rateWeighted: Bool = false, tail: Bool = false,
    tailShare: Double = 0.5, polynomial: Bool = false, polynomialGamma: Double = 3,
    ema: Bool = false, emaDecay: Double = 0.999, save: Saved = .last,
    codebook: Codebook = .averaged, evaluationImages: Int = 128
  ) {
    self.uniform = uniform
    self.rateWeighted = rateWeighted
    self.tail = tail
    self.tailShare = tailShare
    self.polynomial = polynomial
    self.polynomialGamma = polynomialGamma
    self.ema = ema
    self.emaDecay = emaDecay
    self.save = save
    self.codebook = codebook
    self.evaluationImages = evaluationImages
  }

  /// The averages that are kept, each with the rule of its weights.
  public var rules: [(kind: AverageKind, rule: AveragingRule)] {
    var rules: [(AverageKind, AveragingRule)] = []
    if uniform { rules.append((.uniform, .uniform)) }
    if rateWeighted { rules.append((.rateWeighted, .rateWeighted)) }
    if tail { rules.append((.tail, .tail(tailShare > 0 ? .share(tailShare) : .doubling))) }
    if polynomial { rules.append((.polynomial, .polynomial(gamma: polynomialGamma))) }
    if ema { rules.append((.ema, .ema(decay: emaDecay, start: .debiased))) }
    return rules
  }

  /// The average that is saved; nil where the last weights are.
  public var savedKind: AverageKind? { AverageKind(rawValue: save.rawValue) }
}

extension AveragingConfiguration: KindFields {
  /// Summary for the schema.
  public static let summary =
    "Averages of the weights over steps: which are kept, and which weights are saved."
  /// None is kept.
  public static let standard = AveragingConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declare(&fields, of: .tokenizer)
  }

  mutating func declare(_ fields: inout ConfigurationFields, of kind: RunKind) {
    fields.flag("uniform", &uniform, "Whether the mean of all steps' weights is kept.")
    fields.flag(
      "rateWeighted", &rateWeighted, "Whether the mean weighted by the learning rate is kept.")
    fields.flag("tail", &tail, "Whether the mean over the last part of the run is kept.")
    fields.number(
      "tailShare", &tailShare, in: .between(0, 1),
      "Fraction of the run that tail averages; 0 restarts at every power of two.")
    fields.flag(
      "polynomial", &polynomial,
      "Whether the polynomial-decay average is kept, which forgets early steps.")
    fields.number(
      "polynomialGamma", &polynomialGamma, in: .atLeast(0),
      "Exponent with which its weights grow over the steps.")
    fields.flag("ema", &ema, "Whether the exponential moving average is kept.")
    fields.number(
      "emaDecay", &emaDecay, in: .from(0, below: 1),
      "EMA decay: the fraction of the average that each step keeps.")
    fields.choice(
      "save", &save,
      "The weights of model.safetensors: those of the last step, or an average that is kept.")
    if kind == .tokenizer {
      fields.choice(
        "codebook", &codebook,
        "The codebook saved with averaged weights: averaged too (an \"ema\" codebook, already an average, "
          + "is saved as it is), or re-estimated from training "
          + "images.")
      fields.integer(
        "evaluationImages", &evaluationImages, in: .atLeast(1),
        "Images on which the last weights and all averages are compared.")
    }
    let (saved, kept) = (savedKind, rules.map(\.kind))
    fields.check(
      "save", with: AverageKind.allCases.map(\.rawValue), saved.map(kept.contains) ?? true,
      expected: "\"last\"" + kept.map { " or \"\($0.rawValue)\"" }.joined(),
      remedy: "Set training.averaging.\(saved?.rawValue ?? "") to true to keep that average.")
  }
}
