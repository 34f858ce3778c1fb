import Configuration
import Files
import Priors
import Randomness
import TokenFiles

/// The tokens of many images of one grid, in memory: what a prior learns.
public struct TokenSet: Sendable {
  /// The tokenizer that made them.
  public let identity: TokenizerIdentity
  /// How images became its input.
  public let recipe: Recipe
  /// Rows of tokens, and tokens in a row.
  public let rows, columns: Int
  /// The names of classes; none where images have no labels.
  public let classes: [String]
  /// How many images there are.
  public let count: Int
  /// Pixels of all images, as they were before padding.
  public let pixels: Int
  /// A hash of all ids and labels.
  let hash: UInt64
  /// The images that belong together: each alone, or with its mirror image.
  let groups: [Range<Int>]

  private let ids: Narrow
  private let labels: [Int32]

  /// Ids in two bytes each, where they fit.
  private enum Narrow: Sendable {
    case half([UInt16])
    case word([UInt32])
  }

  /// Reads token files of one tokenizer, one after the other.
  ///
  /// - Throws: ``PriorError`` where images have different grids, or there is nothing to predict;
  ///   `TokenFileError`.
  public init(paths: [String]) throws {
    let files = try paths.map { try TokenFile.open(path: $0) }
    let first = files[0]
    for (path, file) in zip(paths, files).dropFirst() {
      try Self.check(
        path, file.identity, file.classes, besides: paths[0], first.identity, first.classes)
    }
    (identity, recipe, classes) = (first.identity, first.recipe, first.classes)
    guard identity.codebookSize > 1 else { throw PriorError.oneCode(path: paths[0]) }
    count = files.reduce(0) { $0 + $1.count }
    let shape = first.shape(at: 0)
    (rows, columns) = (shape.gridHeight, shape.gridWidth)

    var half: [UInt16] = []
    var word: [UInt32] = []
    var groups: [Range<Int>] = []
    let isHalf = identity.codebookSize <= 1 << 16
    let ids = rows * columns * identity.depth * count
    if isHalf { half.reserveCapacity(ids) } else { word.reserveCapacity(ids) }
    var (labels, pixels, sum) = ([Int32](), 0, [UInt64]())
    labels.reserveCapacity(count)
    for (path, file) in zip(paths, files) {
      let (start, end) = (labels.count, labels.count + file.count)
      for first in stride(from: start, to: end, by: file.recipe.isMirrored ? 2 : 1) {
        groups.append(first..<min(first + (file.recipe.isMirrored ? 2 : 1), end))
      }
      for index in 0..<file.count {
        let record = try file.record(at: index)
        guard record.gridHeight == rows, record.gridWidth == columns else {
          throw PriorError.severalGrids(
            path: path, image: record.path, first: (rows, columns),
            found: (record.gridHeight, record.gridWidth))
        }
        if isHalf {
          for id in record.tokens { half.append(UInt16(id)) }
        } else {
          word += record.tokens
        }
        labels.append(Int32(record.label ?? -1))
        pixels += record.width * record.height
        sum.append(record.tokens.withUnsafeBytes { Fingerprint.hash($0) })
      }
    }
    sum.append(labels.withUnsafeBytes { Fingerprint.hash($0) })
    hash = Fingerprint.hash(of: sum)
    self.groups = groups
    self.ids = isHalf ? .half(half) : .word(word)
    (self.labels, self.pixels) = (labels, pixels)
  }

  /// Refuses files that do not belong together.
  static func check(
    _ path: String, _ identity: TokenizerIdentity, _ classes: [String], besides other: String,
    _ otherIdentity: TokenizerIdentity, _ otherClasses: [String]
  ) throws {
    guard identity == otherIdentity else {
      throw PriorError.otherTokenizer(path: path, other: other)
    }
    guard classes == otherClasses else {
      throw PriorError.otherClasses(path: path, other: other)
    }
  }

  /// What its tokens are.
  public var space: TokenSpace {
    TokenSpace(
      codes: identity.codebookSize, depth: identity.depth, rows: rows, columns: columns,
      classes: classes.count)
  }

  /// The class of an image; nil where it has none.
  public func label(of image: Int) -> Int? { labels[image] < 0 ? nil : Int(labels[image]) }

  /// Copies the ids of an image, place by place in an order of the grid.
  ///
  /// - Parameter places: the places of the grid, in the order that is wanted.
  @inline(__always)
  func copy(_ image: Int, in places: [Int], to target: UnsafeMutablePointer<Int32>) {
    let depth = identity.depth
    let start = image * rows * columns * depth
    for (index, place) in places.enumerated() {
      for level in 0..<depth {
        let from = start + place * depth + level
        switch ids {
        case .half(let ids): target[index * depth + level] = Int32(ids[from])
        case .word(let ids): target[index * depth + level] = Int32(bitPattern: ids[from])
        }
      }
    }
  }
}

/// The tokens of a run: images to train on, and images to evaluate with.
public struct PriorData: Sendable {
  /// Where the images to train on are, and which.
  package let training: (set: TokenSet, images: [Int])
  /// Where the others are, and which.
  package let validation: (set: TokenSet, images: [Int])

  /// What tokens are.
  public var space: TokenSpace { training.set.space }
  /// The set that is trained on.
  public var tokens: TokenSet { training.set }
  /// Images to train on.
  public var trainingImages: Int { training.images.count }
  /// Images to evaluate with.
  public var validationImages: Int { validation.images.count }
  /// Classes without an image to train on, by name.
  public let emptyClasses: [String]

  /// Reads the tokens of a run.
  ///
  /// - Throws: ``PriorError`` where there are too few images, or files that do not belong together;
  ///   `TokenFileError`.
  public init(_ data: TokenDataConfiguration, seed: UInt64) throws {
    let set = try TokenSet(paths: data.tokens)
    if data.validation.isEmpty {
      // A mirror image stays with its image: to know one is to know the other.
      let groups = set.groups
      guard groups.count > 1 else { throw PriorError.oneImage(path: data.tokens[0]) }
      let share = Int((Double(groups.count) * data.validationShare).rounded())
      let held = min(max(1, share), groups.count - 1)
      var random = Generator(seed: seed).split(named: "validation split")
      let order = random.permutation(of: groups.count)
      validation = (set, order[..<held].sorted().flatMap { groups[$0] })
      training = (set, order[held...].sorted().flatMap { groups[$0] })
    } else {
      let other = try TokenSet(paths: data.validation)
      try TokenSet.check(
        data.validation[0], other.identity, other.classes, besides: data.tokens[0], set.identity,
        set.classes)
      guard (other.rows, other.columns) == (set.rows, set.columns) else {
        throw PriorError.severalGrids(
          path: data.validation[0], image: "all images", first: (set.rows, set.columns),
          found: (other.rows, other.columns))
      }
      training = (set, Array(0..<set.count))
      validation = (other, Array(0..<other.count))
    }
    let seen = Set(training.images.compactMap { [set = training.set] in set.label(of: $0) })
    emptyClasses = set.classes.indices.filter { !seen.contains($0) }.map { set.classes[$0] }
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
}

/// Why tokens cannot be learned, or a prior not be used.
public enum PriorError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Images of different grids.
  case severalGrids(
    path: String, image: String, first: (rows: Int, columns: Int), found: (rows: Int, columns: Int))
  /// Files of two tokenizers.
  case otherTokenizer(path: String, other: String)
  /// Files with other lists of classes.
  case otherClasses(path: String, other: String)
  /// A codebook of one code.
  case oneCode(path: String)
  /// No image is left to evaluate with.
  case oneImage(path: String)
  /// A run is resumed with other tokens.
  case otherTokens(folder: String)
  /// The tokens are not those that a prior has learned.
  case foreignPrior(folder: String, found: String, expected: String)
  /// Images of another grid than the prior has learned.
  case otherGrid(
    path: String, image: String, expected: (rows: Int, columns: Int),
    found: (rows: Int, columns: Int))
  /// A class that the prior has not learned.
  case noSuchClass(name: String, classes: [String])
  /// Images without a class, of a prior that has learned none.
  case needsClass(path: String, folder: String)
  /// Coded tokens that cannot be read.
  case coded(path: String, reason: String)
  /// Coded tokens of another prior.
  case otherPrior(path: String, found: String, expected: String)
  /// Coded tokens of another build or kind of processor.
  case otherArithmetic(path: String, found: String, expected: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .severalGrids(let path, let image, let first, let found):
      return
        "\(path): expected images of one grid of tokens, found \(first.rows) x \(first.columns) "
        + "and, of \(image), \(found.rows) x \(found.columns). Encode the images with --size model, "
        + "or all at one size."
    case .otherTokenizer(let path, let other):
      return
        "\(path) and \(other) were written by two tokenizers: a prior learns the tokens of one. "
        + "Encode the images of both with one checkpoint."
    case .otherClasses(let path, let other):
      return
        "\(path) and \(other) have different lists of classes. Encode the images of both in one "
        + "go, or with --no-labels."
    case .oneCode(let path):
      return "\(path): its tokenizer has one code, so that there is nothing to predict. Train a "
        + "tokenizer with more codes."
    case .oneImage(let path):
      return
        "\(path): expected at least two images, one of them to evaluate with, found one. Encode "
        + "more images, or name others by --validation."
    case .otherTokens(let folder):
      return
        "\(folder) was started with other tokens. Name the token files that it was started with "
        + "by --data, or start a new run with another --output."
    case .foreignPrior(let folder, let found, let expected):
      return
        "\(folder) has learned the tokens of tokenizer \(expected), not those of \(found). Name "
        + "a prior that was trained on this tokenizer's tokens."
    case .otherGrid(let path, let image, let expected, let found):
      return
        "\(path): the prior has learned grids of \(expected.rows) x \(expected.columns) tokens; "
        + "\(image) has \(found.rows) x \(found.columns). Encode with --size model, or as the prior's "
        + "training images were."
    case .noSuchClass(let name, let classes):
      guard !classes.isEmpty else {
        return
          "class \"\(name)\": the prior was trained without classes. Leave the class out, or train "
          + "one on token files with labels."
      }
      let near = nearest(to: name, among: classes).map { " Did you mean \"\($0)\"?" } ?? ""
      let listed = classes.prefix(20).joined(separator: ", ") + (classes.count > 20 ? ", ..." : "")
      return "the prior knows no class \"\(name)\".\(near) Its classes: \(listed)."
    case .needsClass(let path, let folder):
      return "\(path) has images without a class, and \(folder) was trained with classes always "
        + "(model.classDropout is 0). Encode from folders named by class, or train a prior with a "
        + "classDropout above 0."
    case .coded(let path, let reason):
      return "\(path): \(reason). Copy the file again, or encode the images again."
    case .otherPrior(let path, let found, let expected):
      return
        "\(path) was written with the prior \(expected); \(found) is another one, or was trained "
        + "further since. Name the checkpoint that it was written with."
    case .otherArithmetic(let path, let found, let expected):
      return
        "\(path) was written by arithmetic \"\(expected)\", and this is \"\(found)\": the prior's "
        + "expectations would differ in their last bits, and the ids in all. Decode it with the build and "
        + "on the kind of processor that wrote it."
    }
  }

  /// Two are equal when they say the same.
  public static func == (a: PriorError, b: PriorError) -> Bool { a.description == b.description }
}
