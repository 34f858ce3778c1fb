import Configuration
import Files
import Safetensors
import TokenFiles
import Tokenizers

/// The checkpoints whose tokens a tokenizer decodes beside its own: its weights before other parts than
/// the encoder and the quantizer were trained.
///
/// A file of weights records them with a hash of all that turns images into tokens: model, quantizer and
/// the weights of both parts. The record holds only where the weights beside it have that hash.
struct KeptTokens: Equatable {
  /// The tokenizers' fingerprints, as token files have them.
  var fingerprints: [String]
  /// The hash, in hexadecimal digits.
  var encoding: String

  /// The key in the metadata of a file of weights.
  static let key = "tokensOf"

  /// The metadata of a file of weights.
  var metadata: [String: String] {
    let object = JSONObject([
      "fingerprints": .array(fingerprints.map(JSONValue.string)), "encoding": .string(encoding),
    ])
    return [Self.key: JSONValue.object(object).compactText]
  }

  /// A record of checkpoints for weights that give the same tokens.
  init(of fingerprints: [String], _ tokenizer: TokenizerConfiguration, _ weights: WeightsHash) {
    self.fingerprints = fingerprints
    encoding = Checkpoint.encodingHash(tokenizer, weights)
  }

  /// What a file records; nil where that is nothing, or nothing that this version understands.
  init?(_ metadata: [String: String]) {
    guard let text = metadata[Self.key], case .object(let object)? = try? JSONValue(parsing: text),
      case .array(let list)? = object["fingerprints"],
      case .string(let encoding)? = object["encoding"]
    else { return nil }
    fingerprints = list.compactMap { if case .string(let text) = $0 { text } else { nil } }
    self.encoding = encoding
  }
}

extension Checkpoint {
  /// The fingerprints of other checkpoints whose tokens, or latents, a file's weights decode: of those
  /// that its run began with and whose encoder and quantizer it left as they were.
  ///
  /// - Parameters:
  ///   - name: the file: ``modelFile``, or ``bestFile``.
  ///   - tokenizer: the configuration of the weights.
  ///   - weights: the hash of the file's weights, which must agree with its record.
  public func keptTokens(
    _ name: String = Self.modelFile, _ tokenizer: TokenizerConfiguration, _ weights: WeightsHash
  ) throws(TrainingError) -> [String] {
    Self.keptTokens(in: try open(name), tokenizer, weights)
  }

  static func keptTokens(
    in file: SafetensorsFile, _ tokenizer: TokenizerConfiguration, _ weights: WeightsHash
  ) -> [String] {
    guard let kept = KeptTokens(file.metadata),
      kept.encoding == encodingHash(tokenizer, weights)
    else { return [] }
    return kept.fingerprints
  }

  /// A hash of all that decides which tokens an image has.
  static func encodingHash(_ tokenizer: TokenizerConfiguration, _ weights: WeightsHash) -> String {
    Fingerprint.hexadecimal(
      Fingerprint.hash(
        of: [tokenizer.model.resolved, tokenizer.quantizer.resolved].map { Fingerprint.hash($0) }
          + [weights.encoding]))
  }
}

extension RunConfiguration {
  /// Whether images keep the tokens that a checkpoint gives them, in a run that begins with its weights.
  func keepsTokens(of origin: RunConfiguration) -> Bool {
    keepsTokens
      && !ConfigurationChange.between(origin, self).contains {
        ($0.key.hasPrefix("model.") || $0.key.hasPrefix("quantizer.")) && $0.effect == .identity
      }
  }

  /// Refuses a run that would freeze weights as they are drawn.
  ///
  /// - Parameter hasWeights: whether it begins with those of a checkpoint.
  /// - Throws: ``TrainingError`` `frozenAtRandom`.
  public func checkFrozen(hasWeights: Bool) throws(TrainingError) {
    guard !hasWeights, !training.freeze.isEmpty else { return }
    throw .frozenAtRandom(parts: frozenParts)
  }

  /// The words of the parts that are not trained, in their order.
  public var frozenParts: [String] {
    TokenizerPart.allCases.filter(training.freeze.contains).map(\.rawValue)
  }
}
