import Autodiff
import Files
import Safetensors
import Tokenizers

/// A tokenizer of another program as one of ours: its configuration, and each of its tensors.
///
/// Every tensor of the file is accounted for: used, folded into others, or dropped by name. Anything else
/// is an error that lists it.
public struct ImportedTokenizer {
  /// The family that the weights are of.
  public let family: TokenizerFamily
  /// Model and quantizer.
  public let configuration: TokenizerConfiguration
  /// What is said of the import: where tensors lay, what was dropped, filled in or converted.
  public let notes: [String]
  /// How many tensors of the file were taken over.
  public let used: Int

  private let tensors: [String: ForeignTensor]
  private let sampleSize: Int?

  /// What may be said of weights that they do not say themselves.
  public struct Hints: Sendable {
    /// The family; recognized where it is nil.
    public var family: TokenizerFamily?
    /// Groups of every normalization; 32, or as `config.json` says, where it is nil.
    public var groups: Int?
    /// Whether averages of the weights are taken where the file has them.
    public var prefersAverages = true

    /// Nothing is said.
    public init(
      family: TokenizerFamily? = nil, groups: Int? = nil, prefersAverages: Bool = true
    ) {
      (self.family, self.groups, self.prefersAverages) = (family, groups, prefersAverages)
    }
  }

  /// Opens weights, recognizes them and plans what becomes of each tensor.
  ///
  /// - Parameters:
  ///   - path: a file, or a folder with one.
  ///   - settings: a `config.json`, instead of the one beside the weights.
  /// - Throws: where a file cannot be read, the family is not known, or tensors are missing, left over or of
  ///   another shape.
  public init(path: String, settings: String? = nil, _ hints: Hints = Hints()) throws {
    try self.init(ForeignWeights(path: path, settings: settings), hints)
  }

  /// The side of the images that it is for.
  public var imageSize: Int { sampleSize ?? family.imageSize }

  init(_ file: ForeignWeights, _ hints: Hints) throws {
    var notes: [String] = []
    let (weights, prefix, others) = try file.tokenizer(prefersAverages: hints.prefersAverages)
    if !prefix.isEmpty { notes.append("its tensors lie under \"\(prefix)\"") }
    let family = try hints.family ?? TokenizerFamily(recognizing: weights, prefix: prefix)
    var dropped = others
    var plan = try Renaming(family, weights)
    dropped.merge(plan.dropped) { $0 + $1 }
    let quantizer = try plan.applySurgery()

    let outputs = quantizer.outputsPerChannel
    let groups = hints.groups ?? weights.settings?.integer("norm_num_groups") ?? 32
    var model = try ModelConfiguration(
      inferredFrom: plan.tensors.mapValues(\.shape), outputsPerChannel: outputs, groups: groups,
      path: file.path)
    if family == .openMAGVIT2 { model.layout.halvingPadding = .around }
    if family.isUnitRange { (model.layout.inputScale, model.layout.inputOffset) = (0.5, 0.5) }
    let isOfTransformers =
      prefix.contains("vqmodel") || weights.settings?.text("model_type") == "chameleon_vqgan"
    if family == .chameleon, isOfTransformers {
      // transformers' image processor makes 0.0078 b - 1 of a byte b, not b / 127.5 - 1.
      (model.layout.inputScale, model.layout.inputOffset) = (0.9945, -0.0055)
      notes.append("bytes b become 0.0078 b - 1, as transformers has it")
    }
    try Self.check(model, weights.settings, path: file.path)
    var configuration = TokenizerConfiguration(
      model: model, quantizer: try plan.configuration(quantizer))
    configuration.hasDecoder = plan.hasDecoder
    if !plan.hasDecoder { notes.append("an encoder alone: encode works, and decode does not") }
    notes += Self.scalingNotes(configuration.quantizer, weights.settings)

    let graph = Graph()
    _ = Tokenizer(configuration, in: Scope(graph))
    notes += try plan.complete(graph.parameters)
    for (name, count) in dropped.sorted(by: { $0.key < $1.key }) {
      notes.append("dropped: \(name) (\(count) tensor\(count == 1 ? "" : "s"))")
    }
    if !weights.narrowTypes.isEmpty {
      notes.append("\(weights.narrowTypes.joined(separator: " and ")) widened to F32")
    }
    self.family = family
    self.configuration = configuration
    self.notes = notes
    used = plan.used
    sampleSize = weights.settings?.integer("sample_size").flatMap { 1...8192 ~= $0 ? $0 : nil }
    tensors = plan.tensors
  }

  /// The numbers of a tensor by the name that a checkpoint has for it.
  public func floats(_ name: String) throws -> [Float] {
    guard let tensor = tensors[name] else { preconditionFailure("no tensor \(name)") }
    return try tensor.floats()
  }

  /// Refuses networks that are computed in another way than ours, by what a `config.json` says.
  private static func check(
    _ model: ModelConfiguration, _ settings: JSONObject?, path: String
  ) throws {
    guard model.channels.allSatisfy({ $0 % model.normGroups == 0 }) else {
      throw ImportError(
        "\(path): its channels are \(model.channels), expected multiples of the \(model.normGroups) groups of "
          + "normalizations. Say how many groups there are: --norm-groups")
    }
    let expected: [(String, [String])] = [
      ("act_fn", ["silu", "swish"]), ("norm_type", ["group"]),
    ]
    for (key, words) in expected {
      guard case .string(let word)? = settings?[key], !words.contains(word) else { continue }
      throw ImportError(
        "\(path): \(key) is \"\(word)\" in its config.json, expected \"\(words[0])\"")
    }
  }
}

extension ImportedTokenizer {
  /// What is said of the scale of latents, which nothing in the network depends on.
  private static func scalingNotes(
    _ quantizer: QuantizerConfiguration, _ settings: JSONObject?
  ) -> [String] {
    guard case .kl(let kl) = quantizer else { return [] }
    var notes: [String] = []
    if kl.scalingFactor == 1, kl.shiftFactor == 0, settings?["scaling_factor"] == nil {
      notes.append(
        "no scaling_factor of its latents is known: encode --scale needs one; --config names a file with it"
      )
    }
    if settings?["latents_mean"].map({ $0 != .null }) ?? false {
      notes.append("latents_mean and latents_std of config.json are not taken over")
    }
    return notes
  }
}

extension JSONObject {
  /// A number, whole or not.
  func number(_ key: String) -> Double? {
    switch self[key] {
    case .number(let number)?: number
    case .integer(let number)?: Double(number)
    default: nil
    }
  }

  func text(_ key: String) -> String? {
    if case .string(let text)? = self[key] { text } else { nil }
  }

  func integer(_ key: String) -> Int? {
    if case .integer(let number)? = self[key] { number } else { nil }
  }
}

extension ForeignWeights {
  /// The tensors of a tokenizer among all that a file holds: without what stands before their names.
  ///
  /// - Returns: the tensors; what stood before their names; how many others there are, by their beginnings.
  func tokenizer(
    prefersAverages: Bool
  ) throws -> (weights: ForeignWeights, prefix: String, others: [String: Int]) {
    let mark = "encoder.conv_in.weight"
    let prefixes = tensors.keys.filter { $0 == mark || $0.hasSuffix("." + mark) }
      .map { String($0.dropLast(mark.count)) }
    guard !prefixes.isEmpty else {
      throw ImportError(
        "\(path): expected a tensor \"\(mark)\", the first layer of a tokenizer; found "
          + TokenizerFamily.listing(tensors.keys)
          + ". Is it a tokenizer of images, with convolutions?")
    }
    // The same weights may be there as they are and as averages.
    func isAverage(_ prefix: String) -> Bool {
      prefix.split(separator: ".").contains {
        $0 == "ema" || $0 == "model_ema" || $0 == "ema_model"
      }
    }
    let ranked = prefixes.sorted {
      let (a, b) = (isAverage($0) == prefersAverages, isAverage($1) == prefersAverages)
      return a == b ? ($0.count, $0) < ($1.count, $1) : a
    }
    let prefix = ranked[0]
    var chosen: [String: ForeignTensor] = [:]
    var others: [String: Int] = [:]
    for (name, tensor) in tensors {
      if name.hasPrefix(prefix) {
        chosen[String(name.dropFirst(prefix.count))] = tensor
      } else {
        others[Self.beginning(name), default: 0] += 1
      }
    }
    // Averages as Lightning's LitEma keeps them: under names without points.
    let averages = chosen.filter { $0.key.hasPrefix("model_ema.") }
    if prefersAverages, !averages.isEmpty {
      for name in chosen.keys where !name.hasPrefix("model_ema.") {
        let plain = "model_ema." + name.filter { $0 != "." }
        if let average = averages[plain], average.shape == chosen[name]?.shape {
          chosen[name] = average
          chosen[plain] = nil
          others["the plain weights, of which model_ema holds averages", default: 0] += 1
        }
      }
    }
    return (
      ForeignWeights(
        path: path, tensors: chosen, settings: settings, narrow: narrowTypes), prefix, others
    )
  }

  /// How a tensor of another part of the file is told of: by the first parts of its name.
  private static func beginning(_ name: String) -> String {
    name.split(separator: ".").prefix(2).joined(separator: ".") + ".*"
  }
}
