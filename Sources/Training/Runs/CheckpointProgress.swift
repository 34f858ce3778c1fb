import Configuration
import Files

extension Checkpoint {
  /// Where in the run a state was saved, and what else its continuation must know; the metadata of
  /// `state.safetensors`.
  public struct Progress: Sendable, Equatable {
    /// Updates that were made.
    public var step = 0
    /// Seconds of training so far, over all resumptions.
    public var seconds = 0.0
    /// Which files the run trains on: a hash of their names.
    public var trainingSet: String
    /// The resolved configuration that the run was started with, or last changed to; nil in states of
    /// earlier versions, where `config.json` has to be believed.
    public var configuration: String?
    /// What decided the last bits of its numbers, in words; nil in states of earlier versions.
    public var arithmetic: String?
    /// Whether the evaluation of this step is still to be made, because it was cut short.
    public var isEvaluationDue = false
    /// Lines of the log that could not be written.
    public var dueLines: [String] = []
    /// Images to train on that were found bad, by name: others take their place.
    public var replaced: [String] = []
    /// The same of images to validate with.
    public var replacedValidation: [String] = []
    /// Where the first weights came from, if they were not drawn.
    public var origin: Origin?

    /// Whether the step has an evaluation pending.
    var isSomethingDue: Bool { isEvaluationDue || !dueLines.isEmpty }

    /// The beginning of a run.
    init(trainingSet: String) { self.trainingSet = trainingSet }
  }

  /// The checkpoint whose weights a run began with.
  public struct Origin: Sendable, Equatable {
    /// Its folder, as it was named.
    public var folder: String
    /// The fingerprint of its tokenizer.
    public var fingerprint: String
    /// The step that its weights are of.
    public var step: Int
    /// Which weights those are: "last" or an average.
    public var weights: String
    /// Whether its codebooks were taken over, so that none is to be made of vectors.
    public var hasCodebooks: Bool
    /// The fingerprints of the tokenizers whose tokens the run keeps: its own, and of those that it
    /// keeps the tokens of; none where encoder or quantizer are trained.
    public var tokensOf: [String] = []
  }
}

extension Checkpoint.Progress {
  /// The strings that a state keeps it as.
  var metadata: [String: String] {
    var metadata = [
      "step": String(step), "seconds": String(seconds), "trainingSet": trainingSet,
    ]
    func add(_ key: String, _ list: [String]) {
      if !list.isEmpty {
        metadata[key] = JSONValue.array(list.map(JSONValue.string)).compactText
      }
    }
    metadata["configuration"] = configuration
    metadata["arithmetic"] = arithmetic
    if isEvaluationDue { metadata["due"] = "evaluation" }
    add("dueLines", dueLines)
    add("replaced", replaced)
    add("replacedValidation", replacedValidation)
    if let origin { metadata["from"] = JSONValue.object(origin.line).compactText }
    return metadata
  }

  /// Reads them back; nil where they do not hold a step.
  init?(_ metadata: [String: String]) {
    guard let step = Checkpoint.step(in: metadata),
      let seconds = metadata["seconds"].flatMap({ Double($0) }),
      let trainingSet = metadata["trainingSet"]
    else { return nil }
    func list(_ key: String) -> [String] {
      guard let text = metadata[key], case .array(let items)? = try? JSONValue(parsing: text) else {
        return []
      }
      return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }
    self.step = step
    self.seconds = seconds
    self.trainingSet = trainingSet
    configuration = metadata["configuration"]
    arithmetic = metadata["arithmetic"]
    isEvaluationDue = metadata["due"] == "evaluation"
    dueLines = list("dueLines")
    replaced = list("replaced")
    replacedValidation = list("replacedValidation")
    if let text = metadata["from"], case .object(let object)? = try? JSONValue(parsing: text) {
      origin = Checkpoint.Origin(object)
    }
  }
}

extension Checkpoint {
  /// The step that a file's metadata tell; nil where it is none that a run can reach.
  public static func step(in metadata: [String: String]) -> Int? {
    metadata["step"].flatMap { Int($0) }
      .flatMap { 0...TrainingConfiguration.mostSteps ~= $0 ? $0 : nil }
  }
}

extension Checkpoint.Origin {
  /// What states and logs record of it.
  var line: JSONObject {
    var line = JSONObject([
      "folder": .string(folder), "fingerprint": .string(fingerprint), "step": .integer(step),
      "weights": .string(weights), "codebooks": .flag(hasCodebooks),
    ])
    if !tokensOf.isEmpty { line["tokensOf"] = .array(tokensOf.map(JSONValue.string)) }
    return line
  }

  init?(_ object: JSONObject) {
    guard case .string(let folder)? = object["folder"],
      case .string(let fingerprint)? = object["fingerprint"],
      case .integer(let step)? = object["step"], case .string(let weights)? = object["weights"],
      case .flag(let hasCodebooks)? = object["codebooks"]
    else { return nil }
    self.init(
      folder: folder, fingerprint: fingerprint, step: step, weights: weights,
      hasCodebooks: hasCodebooks)
    guard case .array(let list)? = object["tokensOf"] else { return }
    tokensOf = list.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }
}
