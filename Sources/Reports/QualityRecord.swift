import Configuration
import Files
import Formatting

/// How like real images drawn ones are: what `tessera quality` has measured, and how.
///
/// As JSON, which a run's folder may hold as `quality.json`:
///
///     format            "tessera quality"
///     version           1
///     step              updates of the run whose images these are; null where none was named
///     seed              the start of all random numbers
///     width, height     of the images in pixels; null without images
///     preparation       how real images got that size, in words; null without images
///     real, drawn       {folder, images, hash}: those that there are; hash of the real ones used.
///                       folder is null where features came from a file
///     features          null, or {source, fingerprint, dimension}: the space, in words; what makes it
///                       the same space; numbers of a vector
///     swd               null, or {n, drawn, floor, noise, levels}: the mean over the levels
///       levels          [{width, height, drawn, floor, noise}], the finest first
///     frechet, precision, recall    null, or {n, drawn, floor, noise}
///     sampling          null, or {transformerSteps, headEvaluations, solver, imagesPerSecond}: what it
///                       took to draw an image, as `tessera sample` says in the folder of drawn images
///
/// `n` is the number of images in each set: of those drawn, and of each half of the real ones. `drawn`,
/// `floor` and `noise` are drawn images, the other half of the real ones, and random pixels, against
/// one half of the real ones; null for what was not measured.
public struct QualityRecord: Sendable, Equatable {
  /// The file in a run's folder.
  public static let file = "quality.json"
  static let format = "tessera quality"
  static let version = 1

  /// A number for what was drawn, and what it is to be read beside.
  public struct Score: Sendable, Equatable {
    /// Of drawn images against real ones.
    public var drawn: Double
    /// Of two disjoint halves of the real images.
    public var floor: Double?
    /// Of random pixels against real images.
    public var noise: Double?

    /// A score.
    public init(drawn: Double, floor: Double?, noise: Double?) {
      (self.drawn, self.floor, self.noise) = (drawn, floor, noise)
    }
  }

  /// The sliced Wasserstein distance at one level of the pyramid.
  public struct Level: Sendable, Equatable {
    /// Pixels of the level's images.
    public var width, height: Int
    /// The distances.
    public var score: Score

    /// A level.
    public init(width: Int, height: Int, score: Score) {
      (self.width, self.height, self.score) = (width, height, score)
    }
  }

  /// Images that were compared.
  public struct Images: Sendable, Equatable {
    /// Where they are; nil where their features came from a file.
    public var folder: String?
    /// How many there are.
    public var images: Int
    /// A hash of those that were used; nil of drawn ones.
    public var hash: String?

    /// Images.
    public init(folder: String?, images: Int, hash: String? = nil) {
      (self.folder, self.images, self.hash) = (folder, images, hash)
    }
  }

  /// The space in which Fréchet distance, precision and recall are measured.
  public struct Features: Sendable, Equatable {
    /// What they are, in words.
    public var source: String
    /// Equal for vectors of one space.
    public var fingerprint: String
    /// Numbers of a vector.
    public var dimension: Int

    /// Features.
    public init(source: String, fingerprint: String, dimension: Int) {
      (self.source, self.fingerprint, self.dimension) = (source, fingerprint, dimension)
    }
  }

  /// Updates of the run whose images were drawn; nil where no run was named.
  public var step: Int?
  /// The start of all random numbers.
  public var seed: UInt64
  /// Pixels of the images; nil where there were features alone.
  public var size: (width: Int, height: Int)?
  /// How real images got that size, in words.
  public var preparation: String?
  /// The real images.
  public var real: Images
  /// The drawn images.
  public var drawn: Images
  /// The features; nil where there were none.
  public var features: Features?
  /// The levels of the sliced Wasserstein distance; empty where there were no images.
  public var levels: [Level] = []
  /// Images in each set of the levels.
  public var patchImages = 0
  /// The squared Fréchet distance.
  public var frechet: Score?
  /// The share of drawn images that are like real ones.
  public var precision: Score?
  /// The share of real images that are like drawn ones.
  public var recall: Score?
  /// Images in each set of features.
  public var featureImages = 0

  /// What it took to draw an image; nil where the folder of drawn images does not say.
  public var sampling: Sampling?

  /// What it took to draw an image.
  public struct Sampling: Sendable, Equatable {
    /// How often the transformer ran, and a diffusion head.
    public var transformerSteps, headEvaluations: Int
    /// The solver of a diffusion head, in words; nil of tokens.
    public var solver: String?
    /// Images a second.
    public var imagesPerSecond: Double?

    /// What it took.
    public init(
      transformerSteps: Int, headEvaluations: Int, solver: String?, imagesPerSecond: Double?
    ) {
      (self.transformerSteps, self.headEvaluations) = (transformerSteps, headEvaluations)
      (self.solver, self.imagesPerSecond) = (solver, imagesPerSecond)
    }

    /// What `sample.json` in a folder of drawn images says; nil where that is something else.
    public init?(about text: String) {
      guard case .object(let object)? = try? JSONValue(parsing: text),
        case .string("tessera sample")? = object["format"]
      else { return nil }
      self.init(object)
    }

    init?(_ object: JSONObject) {
      guard case .integer(let steps)? = object["transformerSteps"],
        case .integer(let evaluations)? = object["headEvaluations"], steps >= 0, evaluations >= 0
      else { return nil }
      let solver: String? = if case .string(let text)? = object["solver"] { text } else { nil }
      self.init(
        transformerSteps: steps, headEvaluations: evaluations, solver: solver,
        imagesPerSecond: object["imagesPerSecond"]?.double)
    }

    /// The members of the JSON.
    var object: JSONObject {
      JSONObject([
        "transformerSteps": .integer(transformerSteps),
        "headEvaluations": .integer(headEvaluations),
        "solver": solver.map(JSONValue.string) ?? .null,
        "imagesPerSecond": imagesPerSecond.map(JSONValue.number) ?? .null,
      ])
    }
  }

  /// A record without numbers.
  public init(seed: UInt64, real: Images, drawn: Images) {
    (self.seed, self.real, self.drawn) = (seed, real, drawn)
  }

  /// Images in each set: those of the features, or else those of the patches.
  public var images: Int { features == nil ? patchImages : featureImages }

  /// The sliced Wasserstein distance, the mean over the levels; nil without levels.
  public var swd: Score? {
    func mean(_ value: (Score) -> Double?) -> Double? {
      let values = levels.compactMap { value($0.score) }
      guard values.count == levels.count, !values.isEmpty else { return nil }
      return values.reduce(0, +) / Double(values.count)
    }
    guard let drawn = mean({ $0.drawn }) else { return nil }
    return Score(drawn: drawn, floor: mean { $0.floor }, noise: mean { $0.noise })
  }

  /// Whether both say the same.
  public static func == (a: QualityRecord, b: QualityRecord) -> Bool { a.json == b.json }
}

extension QualityRecord {
  /// The same without folders of the machine that it was made on.
  var shareable: QualityRecord {
    var record = self
    record.real.folder = real.folder.map(PrivatePath.shown)
    record.drawn.folder = drawn.folder.map(PrivatePath.shown)
    return record
  }
}

// MARK: - JSON

extension QualityRecord {
  /// The record as JSON, see the type.
  public var json: String { JSONValue.object(object).prettyText + "\n" }

  /// The members of the JSON.
  var object: JSONObject {
    var levelled = swd.map { Self.object($0, n: patchImages) }
    levelled?["levels"] = .array(
      levels.map { level in
        var object = JSONObject([
          "width": .integer(level.width), "height": .integer(level.height),
        ])
        for member in Self.members(level.score) { object[member.0] = member.1 }
        return .object(object)
      })
    func scored(_ score: Score?) -> JSONValue {
      score.map { .object(Self.object($0, n: featureImages)) } ?? .null
    }
    return JSONObject([
      "format": .string(Self.format), "version": .integer(Self.version),
      "step": step.map(JSONValue.integer) ?? .null,
      "seed": Int(exactly: seed).map(JSONValue.integer) ?? .string(String(seed)),
      "width": size.map { .integer($0.width) } ?? .null,
      "height": size.map { .integer($0.height) } ?? .null,
      "preparation": preparation.map(JSONValue.string) ?? .null,
      "real": Self.value(real), "drawn": Self.value(drawn),
      "features": features.map { features in
        .object(
          JSONObject([
            "source": .string(features.source), "fingerprint": .string(features.fingerprint),
            "dimension": .integer(features.dimension),
          ]))
      } ?? .null,
      "swd": levelled.map(JSONValue.object) ?? .null, "frechet": scored(frechet),
      "precision": scored(precision), "recall": scored(recall),
      "sampling": sampling.map { .object($0.object) } ?? .null,
    ])
  }

  private static func value(_ images: Images) -> JSONValue {
    .object(
      JSONObject([
        "folder": images.folder.map(JSONValue.string) ?? .null, "images": .integer(images.images),
        "hash": images.hash.map(JSONValue.string) ?? .null,
      ]))
  }

  private static func object(_ score: Score, n: Int) -> JSONObject {
    var object = JSONObject(["n": .integer(n)])
    for member in members(score) { object[member.0] = member.1 }
    return object
  }

  private static func members(_ score: Score) -> [(String, JSONValue)] {
    func number(_ value: Double?) -> JSONValue { value.map(JSONValue.number) ?? .null }
    return [
      ("drawn", .number(score.drawn)), ("floor", number(score.floor)),
      ("noise", number(score.noise)),
    ]
  }

  /// Why a text is no record.
  public struct Fault: Error, Equatable, CustomStringConvertible {
    /// What was expected, and what was found.
    public let description: String
  }

  /// Reads a record.
  ///
  /// - Throws: ``Fault`` with the key that is missing or is not what it should be.
  public init(json text: String) throws(Fault) {
    let value: JSONValue
    do { value = try JSONValue(parsing: text) } catch {
      throw Fault(description: "it is not JSON: \(error)")
    }
    let root = try Reader(value, "the file")
    guard case .string(Self.format)? = root.object["format"] else {
      throw Fault(description: "expected \"format\": \"\(Self.format)\", found another or none")
    }
    guard case .integer(Self.version)? = root.object["version"] else {
      throw Fault(
        description: "expected version \(Self.version), found "
          + "\(root.object["version"]?.compactText ?? "none")")
    }
    switch root.object["seed"] {
    case .integer(let number)? where number >= 0: seed = UInt64(number)
    case .string(let text)?: seed = UInt64(text) ?? 0
    default: throw Fault(description: "expected a number as \"seed\"")
    }
    step = try root.optionalCount("step")
    if let width = try root.optionalCount("width"), let height = try root.optionalCount("height") {
      size = (width, height)
    }
    preparation = root.text("preparation")
    real = try Self.images(root.part("real"))
    drawn = try Self.images(root.part("drawn"))
    if let part = try root.optionalPart("features") {
      features = Features(
        source: part.text("source") ?? "", fingerprint: part.text("fingerprint") ?? "",
        dimension: try part.count("dimension"))
    }
    if let part = try root.optionalPart("swd") {
      patchImages = try part.count("n")
      guard case .array(let list)? = part.object["levels"], !list.isEmpty else {
        throw Fault(description: "expected a list of levels in \"swd\"")
      }
      for (index, value) in list.enumerated() {
        let level = try Reader(value, "swd.levels[\(index)]")
        levels.append(
          Level(
            width: try level.count("width"), height: try level.count("height"),
            score: try level.score()))
      }
    }
    for (key, place) in [
      ("frechet", \QualityRecord.frechet), ("precision", \.precision), ("recall", \.recall),
    ] {
      guard let part = try root.optionalPart(key) else { continue }
      featureImages = try part.count("n")
      self[keyPath: place] = try part.score()
    }
    if case .object(let object)? = root.object["sampling"] { sampling = Sampling(object) }
    guard swd != nil || features != nil else {
      throw Fault(description: "expected numbers in \"swd\" or \"frechet\", found none")
    }
  }

  private static func images(_ part: Reader) throws(Fault) -> Images {
    Images(folder: part.text("folder"), images: try part.count("images"), hash: part.text("hash"))
  }

  /// An object of the file, and where it stands.
  private struct Reader {
    let object: JSONObject
    let path: String

    init(_ value: JSONValue?, _ path: String) throws(Fault) {
      guard case .object(let object)? = value else {
        throw Fault(description: "expected an object as \(path)")
      }
      (self.object, self.path) = (object, path)
    }

    func part(_ key: String) throws(Fault) -> Reader { try Reader(object[key], "\"\(key)\"") }

    func optionalPart(_ key: String) throws(Fault) -> Reader? {
      object[key] == nil || object[key] == .null ? nil : try part(key)
    }

    func text(_ key: String) -> String? {
      if case .string(let text)? = object[key] { text } else { nil }
    }

    func optionalCount(_ key: String) throws(Fault) -> Int? {
      object[key] == nil || object[key] == .null ? nil : try count(key)
    }

    func count(_ key: String) throws(Fault) -> Int {
      guard case .integer(let count)? = object[key], count >= 0 else {
        throw Fault(description: "expected a whole number as \"\(key)\" of \(path)")
      }
      return count
    }

    func score() throws(Fault) -> Score {
      guard let drawn = object["drawn"]?.double, drawn.isFinite else {
        throw Fault(description: "expected a number as \"drawn\" of \(path)")
      }
      return Score(drawn: drawn, floor: object["floor"]?.double, noise: object["noise"]?.double)
    }
  }
}

// MARK: - Text

extension QualityRecord {
  /// What numbers of two records have in common if they can be compared.
  var conditions: [(key: String, value: String)] {
    [
      ("features", features?.source ?? "none"), ("n", Display.count(images)),
      ("size", size.map { "\($0.width)x\($0.height)" } ?? "unknown"),
      ("real images", real.hash ?? "unknown"),
    ]
  }

  /// The numbers, a measure a row.
  public var table: TextTable {
    var table = TextTable([
      .init("measure", isText: true), .init("drawn"), .init("floor"), .init("noise"), .init("n"),
    ])
    func add(_ title: String, _ score: Score?, _ n: Int, _ text: (Double?) -> String) {
      guard let score else { return }
      table.add([
        title, text(score.drawn), text(score.floor), text(score.noise), Display.count(n),
      ])
    }
    for level in levels {
      add("SWD \(level.width)x\(level.height)", level.score, patchImages, Self.distance)
    }
    if levels.count > 1 { add("SWD mean", swd, patchImages, Self.distance) }
    add("Fréchet", frechet, featureImages, Self.distance)
    add("precision", precision, featureImages, Self.share)
    add("recall", recall, featureImages, Self.share)
    return table
  }

  /// What was compared, the table, and what its columns are.
  public func text(width: Int) -> String {
    let columns =
      "drawn: drawn images against real ones; floor: one half of the real images against the other, "
      + "what perfect images would have."
      + (size == nil ? "" : " noise: random pixels against real images.")
      + " n: images in each set. SWD and Fréchet are distances, less is better; precision and recall "
      + "are shares, more is better."
    return [
      Paragraph.labelled("", subject, labelWidth: 0, width: width), table.text(width: width),
      Paragraph.labelled("", columns, labelWidth: 0, width: width),
    ].joined(separator: "\n\n")
  }

  /// What was compared, and in which features.
  private var subject: String {
    var words =
      "\(Display.count(drawn.images, "drawn image"))\(drawn.folder.map { " in \($0)" } ?? ""), "
      + "\(Display.count(real.images, "real image"))\(real.folder.map { " in \($0)" } ?? "")"
    if let size {
      words +=
        "; \(size.width)x\(size.height) pixels" + (preparation.map { ", real ones \($0)" } ?? "")
    }
    return words
      + (features.map { "; features: \($0.source), \(Display.count($0.dimension, "number"))" }
        ?? "; no features, so neither Fréchet distance nor precision and recall")
      + "."
  }

  /// A distance for people: four digits, all those before the point.
  static func distance(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "-" }
    let decimals = [10.0, 100, 1000].reduce(3) { $1 <= value ? $0 - 1 : $0 }
    return Display.decimals(value, decimals)
  }

  /// A share for people.
  static func share(_ value: Double?) -> String { NumberText.decimals(value, 3) }

  /// Columns for the tables of runs that draw images.
  static var columns: [(title: String, cell: (QualityRecord?) -> String)] {
    [
      ("Fréchet (floor)", { withFloor($0?.frechet) }), ("SWD (floor)", { withFloor($0?.swd) }),
      ("precision", { share($0?.precision?.drawn) }), ("recall", { share($0?.recall?.drawn) }),
      ("n", { $0.map { Display.count($0.images) } ?? "-" }),
    ]
  }

  private static func withFloor(_ score: Score?) -> String {
    guard let score else { return "-" }
    return distance(score.drawn) + (score.floor.map { " (\(distance($0)))" } ?? "")
  }
}
