import Evaluation
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Randomness
import Reports
import Safetensors
import TokenFiles
import Tokenizers
import Training

/// Where the features of images come from.
enum FeatureSource {
  /// There are none.
  case none
  /// The encoder of a tokenizer.
  case tokenizer(OpenedTokenizer)
  /// A file of vectors that another program computed.
  case file(String)

  /// The tokenizer, if it is one.
  var tokenizer: OpenedTokenizer? {
    if case .tokenizer(let tokenizer) = self { tokenizer } else { nil }
  }

  /// Whether a name is that of a file of vectors, rather than of a run's folder.
  static func isFile(_ path: String) -> Bool {
    path.hasSuffix(".safetensors") && !Folder.isFolder(path)
  }
}

/// The features of all sets.
struct QualityFeatures {
  /// Half of the real images, the other half, and what was drawn.
  let real, others, drawn: VectorSet
  /// Random pixels; nil where there were no images.
  let noise: VectorSet?
  /// The space.
  let space: QualityRecord.Features
  /// Vectors that there are, drawn and real; nil where there were images.
  var counts: (drawn: Int, real: Int)?

  /// The distances between the sets, written into a record.
  ///
  /// - Throws: ``Failure`` where the numbers are too large to be squared.
  func measure(into record: inout QualityRecord, threads: Int, _ terminal: Terminal) throws {
    terminal.progress("measuring the Fréchet distance")
    func moments(_ set: VectorSet) -> FrechetDistance.Moments { .init(set, threads: threads) }
    let distance = FrechetDistance(from: moments(real), threads: threads)
    let frechet = QualityRecord.Score(
      drawn: distance.squared(to: moments(drawn)), floor: distance.squared(to: moments(others)),
      noise: noise.map { distance.squared(to: moments($0)) })
    guard frechet.drawn.isFinite, frechet.floor?.isFinite != false,
      frechet.noise?.isFinite != false
    else {
      throw Failure(
        .badData,
        "\(space.source): the features are too large to be squared. Scale them to about 1.")
    }
    terminal.progress("measuring precision and recall")
    func found(_ set: VectorSet) -> PrecisionRecall {
      PrecisionRecall(real: real, drawn: set, threads: threads)
    }
    let (ofDrawn, ofOthers, ofNoise) = (found(drawn), found(others), noise.map(found))
    record.features = space
    record.featureImages = drawn.count
    record.frechet = frechet
    record.precision = .init(
      drawn: ofDrawn.precision, floor: ofOthers.precision, noise: ofNoise?.precision)
    record.recall = .init(drawn: ofDrawn.recall, floor: ofOthers.recall, noise: ofNoise?.recall)
    if drawn.count <= space.dimension {
      terminal.warn(
        "Fréchet distance: expected more images than the features have numbers, "
          + "\(Display.count(space.dimension)), found \(Display.count(drawn.count)): the covariances are "
          + "singular, and the distance says little. Use more images, or read SWD, precision and recall."
      )
    }
  }
}

extension QualityFeatures {
  /// Mean and deviation of a tokenizer's latents over cells of the images.
  init(
    _ tokenizer: OpenedTokenizer, _ sets: QualitySets, _ terminal: Terminal
  ) throws {
    let codec = BoundedCodec(tokenizer, terminal)
    let side = tokenizer.identity.downsampling
    let model = tokenizer.run.tokenizer
    let (width, height) = (
      (sets.drawn[0].width + side - 1) / side, (sets.drawn[0].height + side - 1) / side
    )
    let moments = GridMoments(channels: model.quantizer.codeDimension, height: height, width: width)
    try codec.check(
      [.vectors], height: height * side, width: width * side, name: "drawn images")
    let progress = ItemProgress(terminal, "encoding", total: sets.all.count * sets.n)
    let vectors = try sets.all.map { images in
      var values: [Double] = []
      for start in stride(from: 0, to: images.count, by: Self.portion) {
        let padded = images[start..<min(start + Self.portion, images.count)].map {
          $0.padded(toMultipleOf: side)
        }
        let latents = try codec.vectors(
          of: padded, names: padded.indices.map { "image \(start + $0 + 1)" })
        for grid in latents { values += moments.features(of: grid, height: height, width: width) }
        progress.advance(by: padded.count)
      }
      return VectorSet(dimension: moments.dimension, values: values)
    }
    (real, others, drawn, noise) = (vectors[0], vectors[1], vectors[2], vectors[3])
    let cells = moments.cells == 1 ? "" : " in \(moments.cells)x\(moments.cells) cells"
    space = QualityRecord.Features(
      source: "mean and deviation of latents\(cells), \(tokenizer.identity.quantizer) "
        + tokenizer.identity.fingerprint,
      fingerprint: tokenizer.identity.fingerprint, dimension: moments.dimension)
  }

  /// Images that are encoded at a time.
  private static var portion: Int { 256 }
  /// The most numbers of a vector, as for twice the features of Inception.
  private static var mostNumbers: Int { 4096 }

  /// Vectors of a file: `real` [n, d] and `drawn` [m, d].
  ///
  /// - Parameter most: vectors of a set at most.
  init(file path: String, most: Int, seed: UInt64, _ terminal: Terminal) throws {
    let file = try Self.open(path)
    let (realEntry, drawnEntry) = (
      try Self.entry("real", in: file), try Self.entry("drawn", in: file)
    )
    let dimension = realEntry.shape[1]
    guard drawnEntry.shape[1] == dimension else {
      throw Failure(
        .badData,
        "\(path): expected \"real\" and \"drawn\" with vectors of one dimension, found shapes "
          + "\(realEntry.shape) and \(drawnEntry.shape). Compute both with the same network.")
    }
    let (most, least) = (
      min(most, drawnEntry.shape[0], realEntry.shape[0] / 2), QualitySets.least
    )
    guard most >= least else {
      throw Failure(
        .badData,
        "\(path): expected at least \(2 * least) vectors in \"real\", for two disjoint halves, and "
          + "\(least) in \"drawn\", found \(realEntry.shape[0]) and \(drawnEntry.shape[0]).")
    }
    let bytes =
      8 * (realEntry.elementCount + 2 * drawnEntry.elementCount) + 48 * dimension * dimension
    var need = MemoryNeed()
    need.add("features", bytes: Double(bytes), keys: ["the number of vectors"])
    try MemoryLimits().check(need, path)
    let reals = try Self.vectors(realEntry, of: file, count: 2 * most, seed: seed)
    real = reals[0..<most]
    others = reals[most..<2 * most]
    drawn = try Self.vectors(drawnEntry, of: file, count: most, seed: seed)
    noise = nil
    var hash = Fingerprint.Stream()
    try file.withBytes(of: realEntry) { hash.add($0) }
    space = QualityRecord.Features(
      source: "vectors of \(URL(fileURLWithPath: path).lastPathComponent)",
      fingerprint: Fingerprint.hexadecimal(hash.value),
      dimension: dimension)
    if most < drawnEntry.shape[0] {
      terminal.say(
        "\(Display.count(most)) vectors in each set, of \(Display.count(drawnEntry.shape[0])) drawn and "
          + "\(Display.count(realEntry.shape[0])) real ones")
    }
    counts = (drawnEntry.shape[0], realEntry.shape[0])
  }

  private static func open(_ path: String) throws -> SafetensorsFile {
    let file = try SafetensorsFile(path: path)
    guard !file.contains("real"), file.metadata["tessera"] != nil else { return file }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().relativePath
    throw Failure(
      .badData,
      "\(path): expected a file of features, or the folder of a tokenizer, found the weights of a run. "
        + "Name its folder: --features \(shellQuoted(folder))")
  }

  /// A tensor of vectors.
  private static func entry(_ name: String, in file: SafetensorsFile) throws -> TensorEntry {
    guard file.contains(name) else {
      let names = file.entries.map { "\"\($0.name)\"" }.sorted()
      throw Failure(
        .badData,
        "\(file.path): expected tensors \"real\" [n, d] and \"drawn\" [m, d], found no \"\(name)\" among "
          + "\(names.isEmpty ? "none" : names.prefix(5).joined(separator: ", "))"
          + "\(names.count > 5 ? " and \(names.count - 5) more" : "").")
    }
    let entry = try file.entry(name)
    guard entry.type == .f32 || entry.type == .f64 else {
      throw SafetensorsError.type(
        path: file.path, name: name, expected: "F32 or F64", found: entry.type)
    }
    guard entry.shape.count == 2, (1...mostNumbers).contains(entry.shape[1]) else {
      throw Failure(
        .badData,
        "\(file.path): expected \"\(name)\" of shape [vectors, numbers] with 1 to \(mostNumbers) numbers, "
          + "found \(entry.shape). Write a row for each image.")
    }
    return entry
  }

  /// So many vectors of a tensor, which ones the seed decides.
  private static func vectors(
    _ entry: TensorEntry, of file: SafetensorsFile, count: Int, seed: UInt64
  ) throws -> VectorSet {
    var random = Generator(seed: seed).split(named: entry.name)
    let (rows, dimension) = (entry.shape[0], entry.shape[1])
    let order = random.permutation(of: rows).prefix(count)
    let numbers = try file.withBytes(of: entry) { bytes in
      order.flatMap { row in
        (row * dimension..<(row + 1) * dimension).map { index in
          entry.type == .f32
            ? Double(bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self))
            : bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
        }
      }
    }
    if let index = numbers.firstIndex(where: { !$0.isFinite }) {
      throw Failure(
        .badData,
        "\(file.path): \"\(entry.name)\" holds \(numbers[index]) in row \(order[index / dimension]), "
          + "expected finite numbers. Compute that image's features again, or leave it out.")
    }
    return VectorSet(dimension: dimension, values: numbers)
  }
}
