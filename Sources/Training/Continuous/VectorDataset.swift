import Datasets
import Files
import Foundation
import Imaging
import Priors
import Randomness
import TokenFiles

/// The vectors of many images of one size, in memory: what a continuous prior learns.
public struct VectorDataset: Sendable {
  /// How an image's numbers are vectors.
  public let patches: Patches
  /// The names of classes; none where images have no folders.
  public let classes: [String]
  /// How many images there are.
  public let count: Int
  /// A hash of all numbers and labels.
  let hash: UInt64

  private let numbers: Numbers
  private let labels: [Int32]

  /// Pixels as bytes, latents as floats: grids `[height, width, channels]`, one after the other.
  private enum Numbers: Sendable {
    case bytes([UInt8])
    case floats([Float])
  }

  /// Images of one size, with the class of each; -1 is none.
  init(_ images: [Image], labels: [Int32], classes: [String], patch: Int) throws {
    let first = images[0]
    guard
      let patches = Patches(height: first.height, width: first.width, channels: 3, patch: patch)
    else {
      throw VectorError.patch(patch, height: first.height, width: first.width)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(images.count * patches.count)
    for image in images { bytes += image.pixels }
    (self.patches, self.classes, count) = (patches, classes, images.count)
    (numbers, self.labels) = (.bytes(bytes), labels)
    hash = Self.hash(bytes, labels)
  }

  /// Grids of numbers, with the class of each.
  init(_ grids: [Float], _ patches: Patches, labels: [Int32], classes: [String]) {
    (self.patches, self.classes, count) = (patches, classes, labels.count)
    (numbers, self.labels) = (.floats(grids), labels)
    hash = Self.hash(grids, labels)
  }

  private static func hash<T>(_ numbers: [T], _ labels: [Int32]) -> UInt64 {
    Fingerprint.hash(of: [
      numbers.withUnsafeBytes { Fingerprint.hash($0) },
      labels.withUnsafeBytes { Fingerprint.hash($0) },
    ])
  }

  /// What its vectors are.
  public var grid: VectorGrid {
    VectorGrid(
      rows: patches.rows, columns: patches.columns, numbers: patches.numbers,
      classes: classes.count)
  }

  /// Whether its numbers are pixels, of which a density is one of images.
  var hasPixels: Bool { if case .bytes = numbers { true } else { false } }

  /// The class of an image; nil where it has none.
  public func label(of image: Int) -> Int? { labels[image] < 0 ? nil : Int(labels[image]) }

  /// Copies the vectors of an image, place by place in an order of the grid, on the scale of the prior.
  ///
  /// - Parameter places: the places of the grid, in the order that is wanted.
  func copy(
    _ image: Int, in places: [Int], scale: VectorScale, isMirrored: Bool = false,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (start, channels) = (image * patches.count, patches.channels)
    scale.factors.withUnsafeBufferPointer { factors in
      scale.offsets.withUnsafeBufferPointer { offsets in
        for (index, place) in places.enumerated() {
          let target = target + index * patches.numbers
          func each(_ number: (Int) -> Float) {
            patches.eachNumber(ofBlock: place, isMirrored: isMirrored) { block, grid in
              let channel = grid % channels
              target[block] = number(start + grid) * factors[channel] + offsets[channel]
            }
          }
          switch numbers {
          case .bytes(let bytes): bytes.withUnsafeBufferPointer { all in each { Float(all[$0]) } }
          case .floats(let floats): floats.withUnsafeBufferPointer { all in each { all[$0] } }
          }
        }
      }
    }
  }

  /// Mean and standard deviation of each channel over some images.
  func moments(of images: [Int]) -> (mean: [Double], deviation: [Double]) {
    let channels = patches.channels
    var (sums, squares) = (
      [Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels)
    )
    func add(_ number: (Int) -> Double) {
      for image in images {
        for index in 0..<patches.count {
          let x = number(image * patches.count + index)
          sums[index % channels] += x
          squares[index % channels] += x * x
        }
      }
    }
    switch numbers {
    case .bytes(let bytes): add { Double(bytes[$0]) }
    case .floats(let floats): add { Double(floats[$0]) }
    }
    let n = Double(images.count * patches.height * patches.width)
    let mean = sums.map { $0 / n }
    return (mean, zip(squares, mean).map { max(0, $0 / n - $1 * $1).squareRoot() })
  }
}

/// How numbers of images are brought to mean 0 and standard deviation 1/2, channel by channel.
public struct VectorScale: Codable, Equatable, Sendable {
  /// The mean of each channel.
  public let mean: [Double]
  /// Its standard deviation.
  public let deviation: [Double]

  init(mean: [Double], deviation: [Double]) { (self.mean, self.deviation) = (mean, deviation) }

  /// What numbers are multiplied by; a channel that never changes stays as it is.
  var factors: [Float] { deviation.map { $0 > 1e-12 ? Float(0.5 / $0) : 1 } }
  /// What is added then.
  var offsets: [Float] { zip(mean, factors).map { Float(-$0 * Double($1)) } }

  /// Bits to add to those of a number on this scale, where numbers are whole.
  var bitsOfOne: Double { factors.reduce(0) { $0 - log2(Double($1)) } / Double(factors.count) }

  /// A number as it was.
  func number(_ x: Float, channel: Int) -> Float {
    (x - offsets[channel]) / factors[channel]
  }
}

/// The vectors of a run: images to train on, and images to evaluate with.
public struct VectorData: Sendable {
  /// Where the images to train on are, and which.
  let training: (set: VectorDataset, images: [Int])
  /// Where the others are, and which.
  let validation: (set: VectorDataset, images: [Int])
  /// The scale of the prior, which comes of the images to train on.
  public let scale: VectorScale
  /// Whether training images are mirrored half the time.
  let mirrors: Bool
  /// What the vectors are made of.
  let source: VectorSource
  /// What the user should know of the images.
  public let notes: [String]

  /// What the vectors are.
  public var grid: VectorGrid { training.set.grid }
  /// Images to train on.
  public var trainingImages: Int { training.images.count }
  /// Images to evaluate with.
  public var validationImages: Int { validation.images.count }
  /// Classes without an image to train on, by name.
  public var emptyClasses: [String] {
    let seen = Set(training.images.compactMap { training.set.label(of: $0) })
    return training.set.classes.indices.filter { !seen.contains($0) }.map {
      training.set.classes[$0]
    }
  }

  /// Reads the vectors of a run.
  ///
  /// - Parameter listing: told of what is listed before images are read.
  /// - Throws: ``VectorError``; `DatasetError`; `TokenFileError`.
  public init(
    _ data: VectorDataConfiguration, seed: UInt64, shouldStop: () -> Bool = { false },
    listing: @escaping ListingObserver = { _ in }
  ) throws {
    switch data {
    case .images(let images):
      try self.init(images, seed: seed, shouldStop: shouldStop, listing: listing)
    case .latents(let latents): try self.init(latents: latents, seed: seed)
    }
  }

  private init(
    _ data: ImageVectorConfiguration, seed: UInt64, shouldStop: () -> Bool,
    listing: @escaping ListingObserver
  ) throws {
    guard let background = PixelColor(text: data.background) else {
      preconditionFailure("\(data.background) is no colour: the configuration was not checked")
    }
    let dataset = try Dataset(
      train: data.train, validation: data.validation, member: data.member,
      validationShare: data.validationShare, seed: seed, augmentation: data.augmentation,
      background: background, cacheMegabytes: 1 << 20,
      listing: listing)
    let sets = try [dataset.training, dataset.validation].map {
      try FixedSet($0, count: $0.count, shouldStop: shouldStop)
    }
    let names = [dataset.training, dataset.validation].map { set in
      (0..<set.count).map(set.className)
    }
    let classes = ImageSource.classes(
      Array(Set(names[0].compactMap(\.self))), areLabels: dataset.training.store.source.hasLabels)
    let places = Dictionary(
      zip(classes, classes.indices), uniquingKeysWith: { first, _ in first })
    func labels(_ names: [String?]) -> [Int32] {
      names.map { name in name.flatMap { places[$0] }.map { Int32($0) } ?? -1 }
    }
    let both = try zip(sets, names).map { set, names in
      try VectorDataset(set.images, labels: labels(names), classes: classes, patch: data.patch)
    }
    self.init(
      (both[0], Array(0..<both[0].count)), (both[1], Array(0..<both[1].count)),
      mirrors: data.flip, source: .images(background: data.background),
      notes: dataset.notes + dataset.rejected.prefix(3).map { "skipped: " + $0.reason })
  }

  private init(latents data: LatentVectorConfiguration, seed: UInt64) throws {
    let set = try LatentSet(paths: data.latents, patch: data.patch)
    let source = VectorSource.latents(autoencoder: set.identity, recipe: set.recipe)
    if data.validation.isEmpty {
      guard set.vectors.count > 1 else { throw VectorError.oneImage(path: data.latents[0]) }
      let split = Self.split(set.vectors.count, share: data.validationShare, seed: seed)
      self.init(
        (set.vectors, split.training), (set.vectors, split.validation), mirrors: false,
        source: source)
    } else {
      let held = try LatentSet(paths: data.validation, patch: data.patch, besides: set)
      self.init(
        (set.vectors, Array(0..<set.vectors.count)),
        (held.vectors, Array(0..<held.vectors.count)), mirrors: false, source: source)
    }
  }

  init(
    _ training: (set: VectorDataset, images: [Int]),
    _ validation: (set: VectorDataset, images: [Int]),
    mirrors: Bool, source: VectorSource, notes: [String] = []
  ) {
    (self.training, self.validation) = (training, validation)
    let moments = training.set.moments(of: training.images)
    scale = VectorScale(mean: moments.mean, deviation: moments.deviation)
    (self.mirrors, self.source, self.notes) = (mirrors, source, notes)
  }

  /// Splits the images of one set: a share is held out, at least one image.
  static func split(
    _ count: Int, share: Double, seed: UInt64
  ) -> (training: [Int], validation: [Int]) {
    let held = min(max(1, Int((Double(count) * share).rounded())), count - 1)
    var random = Generator(seed: seed).split(named: "validation split")
    let order = random.permutation(of: count)
    return (order[held...].sorted(), order[..<held].sorted())
  }

  /// A hash of what is trained on.
  var hash: String {
    let images = training.images.withUnsafeBytes { Fingerprint.hash($0) }
    return Fingerprint.hexadecimal(Fingerprint.hash(of: [training.set.hash, images]))
  }

  /// Some images to evaluate with, spread evenly.
  func heldOut(_ most: Int) -> [Int] {
    let all = validation.images
    guard all.count > most else { return all }
    return (0..<most).map { all[$0 * all.count / most] }
  }

  /// What the folder of a run says of its vectors.
  var vectors: PriorVectors {
    PriorVectors(
      source: source, patches: training.set.patches, scale: scale, classes: training.set.classes)
  }
}

/// Latent files of one autoencoder, read one after the other; as they were before they were standardized.
private struct LatentSet {
  let vectors: VectorDataset
  let identity: TokenizerIdentity
  let recipe: Recipe
  private let path: String

  /// Reads files.
  ///
  /// - Parameter other: what they must be like.
  init(paths: [String], patch: Int, besides other: LatentSet? = nil) throws {
    let files = try paths.map { try LatentFile.open(path: $0) }
    let first = files[0]
    for (path, file) in zip(paths, files).dropFirst() {
      try Self.check(
        path, file.identity, file.classes, besides: paths[0], first.identity, first.classes)
      guard (file.rows, file.columns) == (first.rows, first.columns) else {
        throw VectorError.otherGrid(path: path, other: paths[0])
      }
    }
    guard
      let patches = Patches(
        height: first.rows, width: first.columns, channels: first.channels, patch: patch)
    else {
      throw VectorError.patch(patch, height: first.rows, width: first.columns)
    }
    if let other {
      try Self.check(
        paths[0], first.identity, first.classes, besides: other.path, other.identity,
        other.vectors.classes)
      guard patches == other.vectors.patches else {
        throw VectorError.otherGrid(path: paths[0], other: other.path)
      }
    }
    var numbers = [Float](
      repeating: 0, count: files.reduce(0) { $0 + $1.count } * patches.count)
    var (labels, start) = ([Int32](), 0)
    for file in files {
      for image in 0..<file.count {
        try numbers.withUnsafeMutableBufferPointer {
          try file.copy(image, to: $0.baseAddress! + start)
        }
        if file.isStandardized {
          for index in start..<start + patches.count {
            let channel = (index - start) % patches.channels
            numbers[index] = numbers[index] * file.deviation[channel] + file.mean[channel]
          }
        }
        labels.append(Int32(file.label(of: image) ?? -1))
        start += patches.count
      }
    }
    vectors = VectorDataset(numbers, patches, labels: labels, classes: first.classes)
    (identity, recipe, path) = (first.identity, first.recipe, paths[0])
  }

  /// Refuses files that do not belong together.
  private static func check(
    _ path: String, _ identity: TokenizerIdentity, _ classes: [String], besides other: String,
    _ otherIdentity: TokenizerIdentity, _ otherClasses: [String]
  ) throws {
    guard identity == otherIdentity else {
      throw VectorError.otherAutoencoder(path: path, other: other)
    }
    guard classes == otherClasses else {
      throw VectorError.otherClasses(path: path, other: other)
    }
  }
}
