import Datasets
import Evaluation
import Execution
import Files
import Formatting
import Imaging
import Randomness
import Synchronization
import Threads
import TokenFiles
import Training

/// How real images get the size of the drawn ones.
struct QualityPreparation {
  /// The resize and crop of the tokenizer's training, where that makes images of the drawn ones' size.
  let augmentation: Augmentation?
  /// The size of the drawn images.
  let width, height: Int
  /// The rules by which files become pixels.
  let rules: ImageRecipe
  /// What transparent pixels are composited over, where the rules leave it open.
  let background: String

  /// The preparation for drawn images of a size.
  ///
  /// - Parameters:
  ///   - tokenizer: the tokenizer whose images they are, or of the features; nil without.
  ///   - recipe: how the images of a prior's tokens were prepared, with the run's folder; nil without.
  ///
  /// Errors: a recipe of another version of this program.
  init(
    tokenizer: OpenedTokenizer?, recipe: (recipe: Recipe, folder: String)?, width: Int, height: Int
  ) throws {
    var training = tokenizer?.run.data.augmentation.withoutChance
    if let recipe {
      let recorded = try ImageRecipe(recorded: recipe.recipe, in: recipe.folder)
      training = training?.following(recorded)
      rules = recorded
    } else {
      rules = training?.recipe ?? .tessera
    }
    let isAsInTraining =
      (recipe?.recipe.size ?? SizeMode.model.text) == SizeMode.model.text && training?.size == width
      && width == height
    augmentation = isAsInTraining ? training : nil
    (self.width, self.height) = (width, height)
    background = tokenizer?.run.data.background ?? "white"
  }

  /// What reads the files.
  var decoder: ImageDecoder { rules.decoder(background: PixelColor(text: background)) }

  /// What it does, in words.
  var words: String {
    if rules.name != .tessera { return "scaled by recipe \(rules.name.rawValue)" }
    guard let augmentation else { return "scaled to cover that and cropped in the middle" }
    return augmentation.resize == .cover
      ? "as in training: shorter side at \(augmentation.resizedSide), cropped in the middle"
      : "as in training: cropped in the middle"
  }

  /// An image at its size.
  ///
  /// - Throws: what makes an image unfit: too small for the crop, too long and thin to be scaled.
  func callAsFunction(_ image: Image, file: String) throws -> Image {
    if let augmentation { return try augmentation.middleSquare(of: image, file: file) }
    let (one, other) = (image.width * height, image.height * width)
    guard max(one, other) <= min(one, other) * Augmentation.longestRatio else {
      throw DatasetError.tooThin(file: file, width: image.width, height: image.height)
    }
    let rules = rules.needsSquare && width != height ? .tessera : rules
    return rules.filled(image, width: width, height: height)
  }
}

/// Reads the images of a folder for a measurement, skips those that cannot be used, and says so.
struct QualityReader {
  /// Threads that read.
  let threads: Int
  /// Where messages go.
  let terminal: Terminal
  /// The seed that says which images are taken where there are more than needed.
  let seed: UInt64
  /// Files that were skipped so far.
  private(set) var skipped = 0

  /// Prepares to read.
  init(threads: Int, seed: UInt64, _ terminal: Terminal) {
    (self.threads, self.seed, self.terminal) = (threads, seed, terminal)
  }

  /// The files of a folder in an order that the seed decides.
  ///
  /// - Parameter member: the ending of images in shards; nil for the shortest of PNG and JPEG.
  mutating func files(
    of folder: String, named name: String, member: String? = nil
  ) throws -> [ImageLocation] {
    let inputs = try ImageInputs(
      paths: [folder], hasLabels: false, member: member,
      listing: ListingProgress(terminal).observer)
    for warning in inputs.warnings { terminal.warn(warning) }
    var leftOut = LeftOut(terminal)
    for image in inputs.leftOut {
      leftOut.tell(image.reason, kind: "have names that are not UTF-8")
      skipped += image.imageCount
    }
    leftOut.finish()
    for note in inputs.notes { terminal.say(note) }
    var random = Generator(seed: seed).split(named: name)
    return random.permutation(of: inputs.files.count).map { inputs.files[$0].location }
  }

  /// The first images that can be used, as many as are needed at most.
  ///
  /// - Parameters:
  ///   - prepare: brings an image to its size; called by several threads.
  ///   - accept: called with each usable image in order; may throw what ends the command.
  mutating func images(
    _ files: [ImageLocation], most: Int, decoder: ImageDecoder, doing: String,
    prepare: @escaping @Sendable (Image, String) throws -> Image,
    accept: (Image, String) throws -> Void = { _, _ in }
  ) throws -> [Image] {
    var images: [Image] = []
    var (leftOut, used) = (LeftOut(terminal), LeftOut(terminal, doing: Terminal.used))
    defer {
      leftOut.finish()
      used.finish()
    }
    let progress = ItemProgress(terminal, doing, total: min(most, files.count))
    var next = 0
    while images.count < most, next < files.count {
      let portion = files[next..<min(next + min(64 * threads, most - images.count), files.count)]
      next += portion.count
      for (location, result) in zip(portion, read(Array(portion), decoder, prepare)) {
        let path = location.name
        do {
          let (image, doubt) = try result.get()
          try accept(image, path)
          if let doubt { used.tell("\(path): \(doubt)", kind: "") }
          images.append(image)
        } catch let error as ImageError where !error.isExhaustion {
          skipped += 1
          leftOut.tell(Failure(error).description, kind: error.kindInWords)
        } catch DatasetError.tooSmall(let file, let width, let height, let needed, _) {
          skipped += 1
          leftOut.tell(
            "\(file): expected at least \(needed)x\(needed) pixels, as in training, found "
              + "\(width)x\(height)", kind: "are smaller than images of training")
        } catch let error as DatasetError {
          guard case .tooThin = error else { throw error }
          skipped += 1
          leftOut.tell(Failure(error).description, kind: "are too long and thin")
        }
      }
      progress.reach(images.count)
    }
    return images
  }

  private typealias Read = Result<(image: Image, doubt: String?), any Error>

  private func read(
    _ files: [ImageLocation], _ decoder: ImageDecoder,
    _ prepare: @escaping @Sendable (Image, String) throws -> Image
  ) -> [Read] {
    let results = Mutex([Read?](repeating: nil, count: files.count))
    concurrently(files.count, threads: threads) { index in
      let file = files[index]
      let result = Read {
        let (image, doubt) = try decoder.open(file).decodeNoting()
        return (try prepare(image, file.name), doubt)
      }
      results.withLock { $0[index] = result }
    }
    return results.withLock { $0.compactMap { $0 } }
  }
}

/// Drawn images, as many real ones, as many others, and noise.
struct QualitySets {
  /// The least images of a set: each has a third nearest neighbour.
  static let least = PrecisionRecall.neighbours + 1

  /// Half of the real images.
  let real: [Image]
  /// The other half.
  let others: [Image]
  /// The drawn images.
  let drawn: [Image]
  /// Random pixels.
  let noise: [Image]
  /// Drawn images that there are, and real ones.
  let counts: (drawn: Int, real: Int)
  /// How real images got their size.
  let preparation: QualityPreparation

  /// Reads images.
  ///
  /// - Parameters:
  ///   - member: the ending of real images in shards; nil for the shortest of PNG and JPEG.
  ///   - most: images of a set at most.
  ///   - prepare: how real images get the size of drawn ones.
  init(
    drawn folder: String, real realFolder: String, member: String?, most: Int, seed: UInt64,
    _ reader: inout QualityReader,
    prepare: (_ width: Int, _ height: Int) throws -> QualityPreparation
  ) throws {
    let (threads, terminal) = (reader.threads, reader.terminal)
    let files = try reader.files(of: folder, named: "drawn")
    let realFiles = try reader.files(of: realFolder, named: "real", member: member)
    var first: (path: String, width: Int, height: Int)?
    let decoder = try prepare(1, 1).decoder
    let drawn = try reader.images(
      files, most: most, decoder: decoder, doing: "reading drawn images"
    ) { image, _ in
      image
    } accept: { image, path in
      guard let known = first else {
        first = (path, image.width, image.height)
        let most = min(most, files.count, realFiles.count / 2)
        try Self.check(image.width, image.height, path, folder, most: most, threads: threads)
        return
      }
      guard image.width == known.width, image.height == known.height else {
        throw Failure(
          .badData,
          "\(folder): expected drawn images of one size, found \(known.width)x\(known.height) pixels "
            + "in \(known.path) and \(image.width)x\(image.height) in \(path). Name a folder with "
            + "images of one size, as tessera sample --output makes it.")
      }
    }
    guard let first, drawn.count >= Self.least else {
      throw Failure(
        .badData,
        "\(folder): expected at least \(Self.least) images to measure, found \(drawn.count)"
          + (reader.skipped > 0 ? " that can be used" : "") + ". Draw more of them.")
    }
    let preparation = try prepare(first.width, first.height)
    let found = try reader.images(
      realFiles, most: 2 * drawn.count, decoder: decoder, doing: "reading real images"
    ) { try preparation($0, file: $1) }
    let n = min(drawn.count, found.count / 2)
    guard n >= Self.least else {
      throw Failure(
        .badData,
        "\(realFolder): expected at least \(2 * Self.least) images for two disjoint halves, found "
          + "\(found.count)" + (reader.skipped > 0 ? " that can be used" : "")
          + ". Name a folder with more.")
    }
    if n < min(most, drawn.count) {
      terminal.say(
        "\(Display.count(n)) images in each set: half of the \(Display.count(found.count, "real image")). "
          + "For all \(Display.count(drawn.count)) drawn ones, name a folder with twice as many")
    }
    (real, others) = (Array(found[..<n]), Array(found[n..<2 * n]))
    self.drawn = Array(drawn[..<n])
    let noise = PixelSet.noise(width: first.width, height: first.height, count: n, seed: seed)
    self.noise = noise.images.map { Image(width: noise.width, height: noise.height, pixels: $0) }
    counts = (files.count, realFiles.count)
    self.preparation = preparation
  }

  /// Images of a set.
  var n: Int { drawn.count }

  /// All sets.
  var all: [[Image]] { [real, others, drawn, noise] }

  /// A hash of the real images that are used.
  var hash: String {
    var stream = Fingerprint.Stream()
    for image in real + others { image.pixels.withUnsafeBytes { stream.add($0) } }
    return Fingerprint.hexadecimal(stream.value)
  }

  /// Refuses images that patches do not fit in, and more of them than memory holds.
  private static func check(
    _ width: Int, _ height: Int, _ path: String, _ folder: String, most: Int, threads: Int
  ) throws {
    let side = SlicedWasserstein.patchSide
    guard min(width, height) >= side else {
      throw Failure(
        .badData,
        "\(path): expected at least \(side)x\(side) pixels, the size of a patch, found "
          + "\(width)x\(height). Draw larger images.")
    }
    var need = MemoryNeed()
    need.add(
      "4 sets of \(Display.count(most)) images",
      bytes: 4 * Double(most) * Double(width) * Double(height) * 3, keys: ["--count"])
    need.add(
      "their patches",
      bytes: SlicedWasserstein.bytes(
        width: width, height: height, images: 4 * most, largest: most, threads: threads),
      keys: ["--count"])
    try MemoryLimits().check(need, "\(folder): measuring \(width)x\(height) pixels")
  }
}

extension PixelSet {
  /// Images of one size, at least one.
  init(_ images: [Image]) {
    self.init(width: images[0].width, height: images[0].height, images: images.map(\.pixels))
  }
}
