import Files
import Imaging
import Randomness

/// The images of a run: those to train on, those to validate with, and what was wrong.
public struct Dataset: Sendable {
  /// The images to train on.
  public let training: ImageSet
  /// The images to validate with, none of them trained on; empty if none were to be held out.
  public let validation: ImageSet
  /// Files and folders that were skipped because they cannot be used; to report to the user.
  public let rejected: [RejectedImage]
  /// Files that are damaged but used; to report to the user too.
  public let doubtful: [RejectedImage]
  /// What else the user should know of the folders; see ``ImageFolder/notes``.
  public let notes: [String]
  /// How many images may have transparent pixels, which are composited over the background.
  public let transparentCount: Int
  /// Images whose bytes are others than an earlier run knew them by, to train on or to validate with.
  public let changed: [String]

  /// What an earlier run knew of the images, by their headers.
  public struct Indexes: Sendable {
    /// Of those to train on, and of those held out of them.
    public var training: ImageIndex?
    /// Of those to validate with where they have a place of their own.
    public var validation: ImageIndex?

    /// States what is known.
    public init(training: ImageIndex? = nil, validation: ImageIndex? = nil) {
      (self.training, self.validation) = (training, validation)
    }
  }

  /// Opens images to train on, and others to validate with or a fraction of the first.
  ///
  /// - Parameters:
  ///   - train: The folder or shards to train on; see ``ImageSource``.
  ///   - validation: Those to validate with; nil holds out a fraction of the first instead. Images of a
  ///     list are held out of the first.
  ///   - member: The ending of images in shards; nil for the shortest of PNG and JPEG.
  ///   - validationShare: The share to hold out, 0...1.
  ///   - seed: Decides which images are held out.
  ///   - augmentation: What is made of an image.
  ///   - background: What transparent pixels are composited over where the recipe leaves it open; nil
  ///     drops alpha.
  ///   - cacheMegabytes: How many MB (1,000,000 bytes) of pixels are kept in memory, both together.
  ///   - damagedLimit: How many images of each set may turn out bad once it is open; nil for half.
  ///   - known: What an earlier run knew of them.
  ///   - listing: Told how far the listing of the images is.
  ///   - progress: Called with the files looked at and all files of a folder.
  public init(
    train: String, validation: String? = nil, member: String? = nil, validationShare: Double,
    seed: UInt64,
    augmentation: Augmentation, background: PixelColor? = .white, cacheMegabytes: Int,
    damagedLimit: Int? = nil, known: Indexes = Indexes(),
    listing: @escaping ListingObserver = { _ in },
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws(DatasetError) {
    let decoder = augmentation.recipe.decoder(background: background)
    let held = try validation.map { path throws(DatasetError) in
      try ImageSource(path: path, member: member, listing: listing)
    }
    var source = try ImageSource(path: train, member: member, listing: listing)
    if let validation, let held, ImageSource.isList(validation) {
      source = try source.holdingOut(held)
    }
    let store = try ImageStore(
      source: source, augmentation: augmentation,
      cacheMegabytes: cacheMegabytes, decoder: decoder, known: known.training, progress: progress)
    if let held {
      let other = try ImageStore(
        source: held,
        augmentation: augmentation.withoutChance,
        cacheMegabytes: max(0, cacheMegabytes - store.cachedBytes / 1_000_000), decoder: decoder,
        known: known.validation, progress: progress)
      training = ImageSet(store: store, damagedLimit: damagedLimit)
      self.validation = ImageSet(store: other, damagedLimit: damagedLimit)
      rejected = store.rejected + other.rejected
      doubtful = store.doubtful + other.doubtful
      notes = store.source.notes + other.source.notes
      transparentCount = store.transparentCount + other.transparentCount
      changed = store.changed + other.changed
    } else {
      let split = Split(store.files, validationShare: validationShare, seed: seed)
      let needed = validationShare > 0 ? 2 : 1
      guard !split.training.isEmpty, store.count >= needed else {
        throw .tooFewImages(path: train, count: store.count, needed: needed)
      }
      training = ImageSet(
        store: store, indices: split.training, damagedLimit: damagedLimit)
      self.validation = ImageSet(
        store: store, indices: split.validation, damagedLimit: damagedLimit)
      rejected = store.rejected
      doubtful = store.doubtful
      notes = store.source.notes
      transparentCount = store.transparentCount
      changed = store.changed
    }
  }

  /// The same images, to resume a run that was started with a list of names to train on.
  ///
  /// - Parameters:
  ///   - files: the names of all images to train on, in their order.
  ///   - damaged: those among them that were found bad before.
  ///   - damagedValidation: the same of the images to validate with.
  /// - Throws: `tooManyDamaged` if hardly any is left, `aboveDamagedLimit` if fewer are than are asked for.
  public func following(
    _ files: NameList, damaged: Set<String>, damagedValidation: Set<String>
  ) throws(DatasetError) -> Dataset {
    Dataset(
      training: try ImageSet(
        store: training.store, files: files, damaged: damaged,
        damagedLimit: training.damage.limit),
      validation: try ImageSet(
        store: validation.store, files: validation.files, damaged: damagedValidation,
        damagedLimit: validation.damage.limit),
      of: self)
  }

  private init(training: ImageSet, validation: ImageSet, of other: Dataset) {
    self.training = training
    self.validation = validation
    rejected = other.rejected
    doubtful = other.doubtful
    notes = other.notes
    transparentCount = other.transparentCount
    changed = other.changed
  }
}

/// Which images are trained on, and which are held out to validate with.
///
/// Each path has a number in [0, 1) that depends on the path and the seed alone; those below the
/// share are held out. So adding or removing files never moves another file to the other side.
public struct Split: Sendable, Equatable {
  /// Indices of the files to train on, ascending.
  public let training: [Int]
  /// Indices of the files held out, ascending.
  public let validation: [Int]

  /// Splits files by their paths within the folder.
  ///
  /// With two files or more, a share above 0 holds out at least one and a share below 1 leaves at
  /// least one.
  ///
  /// - Precondition: the share is within 0...1.
  public init(_ files: some Collection<String>, validationShare share: Double, seed: UInt64) {
    precondition((0...1).contains(share), "a share is within 0...1, not \(share)")
    var (training, validation) = ([Int](), [Int]())
    // The first of the least numbers, and the last of the greatest.
    var (least, greatest) = ((place: 0, number: Double.infinity), (place: 0, number: -1.0))
    for (place, file) in files.enumerated() {
      let number = Self.number(of: file, seed: seed)
      if number < least.number { least = (place, number) }
      if number >= greatest.number { greatest = (place, number) }
      if number < share { validation.append(place) } else { training.append(place) }
    }
    func move(_ place: Int, from one: inout [Int], to other: inout [Int]) {
      guard let index = one.firstIndex(of: place) else { return }
      one.remove(at: index)
      other.insert(place, at: other.firstIndex { $0 > place } ?? other.endIndex)
    }
    if training.count + validation.count >= 2 {
      if share > 0 { move(least.place, from: &training, to: &validation) }
      if share < 1 { move(greatest.place, from: &validation, to: &training) }
    }
    (self.training, self.validation) = (training, validation)
  }

  /// The number in [0, 1) that decides where a path goes.
  public static func number(of file: String, seed: UInt64) -> Double {
    var random = Generator(seed: seed).split(named: "validation split").split(named: file)
    return random.uniformDouble()
  }
}

/// The images that a run is measured on: always the same ones, from their middle, never mirrored.
public struct FixedSet: Sendable {
  /// The images' paths within their folder.
  public let files: [String]
  /// The squares.
  public let images: [Image]
  /// Side of the squares, in pixels.
  public let size: Int

  /// Takes `count` images of a set, or all if there are fewer.
  ///
  /// They are spread evenly over the set, from its first image on: in sorted order the first few
  /// alone would all be of one class where each class has its folder. Bad images are replaced as
  /// ``ImageSet`` says.
  ///
  /// - Parameter shouldStop: asked before each image.
  /// - Throws: `stopped` if that returns true.
  public init(
    _ set: ImageSet, count: Int, shouldStop: () -> Bool = { false }
  ) throws(DatasetError) {
    precondition(count >= 0, "a set has no negative count")
    let recipe = set.store.augmentation.withoutChance
    let taken = min(count, set.count)
    var files: [String] = []
    var images: [Image] = []
    // No chance is left in the recipe, so nothing is drawn from this.
    var unused = Generator(seed: 0)
    for position in 0..<taken {
      if shouldStop() { throw .stopped }
      let index = position * set.count / taken
      files.append(set.file(index))
      images.append(recipe.sample(try set.image(index), random: &unused))
    }
    self.files = files
    self.images = images
    size = recipe.size
  }

  /// How many images there are.
  public var count: Int { images.count }

  /// Writes some of the images as numbers in [-1, 1], [n, size, size, 3].
  ///
  /// `target` has room for them.
  public func write(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    for (position, index) in range.enumerated() {
      images[index].write(normalizedTo: target + position * size * size * 3)
    }
  }

  /// All images as numbers in [-1, 1], [count, size, size, 3].
  public var numbers: [Float] {
    let total = count * size * size * 3
    return [Float](unsafeUninitializedCapacity: total) { buffer, initialized in
      if let target = buffer.baseAddress { write(0..<count, to: target) }
      initialized = total
    }
  }
}

/// Why images cannot be had from a folder, from shards or from a list; each case names the file or folder.
public enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Nothing is at the path.
  case missingFolder(path: String)
  /// A file is at the path, not a folder.
  case notAFolder(path: String)
  /// The folder cannot be listed.
  case unreadableFolder(path: String, reason: String)
  /// The folder holds no images; `endings` are those of the files that it does hold.
  case noImages(path: String, files: Int, endings: [String])
  /// Images were found, but none can be decoded; the first is reported.
  case noReadableImages(path: String, count: Int, first: String)
  /// All images are held out for validation, or there are too few to hold any out.
  case tooFewImages(path: String, count: Int, needed: Int)
  /// An image is smaller than the crop; `others` further ones are too.
  case tooSmall(file: String, width: Int, height: Int, needed: Int, others: Int)
  /// An image is so long and thin that its shorter side cannot be resized to the wanted size.
  case tooThin(file: String, width: Int, height: Int)
  /// A list of images that cannot be used.
  case list(ListError)
  /// Shards of which no images can be had.
  case shards(ShardError)
  /// A file that was good when the data set was opened cannot be decoded any more.
  case image(ImageError)
  /// More than half of the images that were good when the data set was opened are bad; the first is
  /// told.
  case tooManyDamaged(path: String, damaged: Int, count: Int, first: String)
  /// More images than a limit allows have been found bad since the data set was opened.
  case aboveDamagedLimit(path: String, damaged: Int, limit: Int, first: String)
  /// No more images or batches: a stop was requested.
  case stopped

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .missingFolder(let path):
      "\(path): expected a folder of PNG or JPEG files, found nothing at this path. Check the path."
    case .notAFolder(let path):
      "\(path): expected a folder of PNG or JPEG files, found a file. Name the folder it is in, or a list of "
        + "paths whose name ends in .txt."
    case .unreadableFolder(let path, let reason):
      "\(path): the folder cannot be listed: \(reason). Check its permissions."
    case .noImages(let path, let files, let endings):
      "\(path): expected files whose names end in \(ImageFolder.endingsInWords), found "
        + Self.found(files, endings)
        + ". Convert the images to PNG or JPEG, or name another folder."
    case .noReadableImages(let path, let count, let first):
      "\(path): none of its \(count) images can be decoded. The first: \(first)"
    case .tooFewImages(let path, let count, let needed):
      "\(path): expected at least \(needed) images, found \(count). Add images, or lower the "
        + "fraction held out for validation."
    case .tooSmall(let file, let width, let height, let needed, let others):
      "\(file): expected at least \(needed)x\(needed) pixels, found \(width)x\(height)"
        + (others == 0 ? "" : " (and \(others) more such files)")
        + ". Set resize to \"cover\" to scale images to the crop, choose a smaller image size, or "
        + "remove the file."
    case .tooThin(let file, let width, let height):
      "\(file): \(width)x\(height) pixels are too long and thin to scale; the limit is "
        + "1 : \(Augmentation.longestRatio). Crop or remove the file."
    case .list(let error): error.description
    case .shards(let error): error.description
    case .image(let error): error.description
    case .aboveDamagedLimit(let path, let damaged, let limit, let first):
      "\(path): expected at most \(limit) images that cannot be used (data.damagedLimit), found \(damaged). "
        + "The first: \(first) Repair the files, or raise the limit."
    case .tooManyDamaged(let path, let damaged, let count, let first):
      "\(path): \(damaged) of its \(count) images cannot be used, more than half. The first: "
        + first + " Check the disk and the folder."
    case .stopped: "the loader was stopped while a batch was asked for"
    }
  }

  /// Whether the fault is the image's own, so that another try would end the same way; not so where
  /// the process or the machine is at its limits, or the disk failed.
  var isOfTheFile: Bool {
    switch self {
    case .tooSmall, .tooThin: true
    case .image(let error): error.isOfTheFile
    case .missingFolder, .notAFolder, .unreadableFolder, .noImages, .noReadableImages,
      .tooFewImages, .tooManyDamaged, .aboveDamagedLimit, .list, .shards, .stopped:
      false
    }
  }

  private static func found(_ files: Int, _ endings: [String]) -> String {
    if files == 0 { return "an empty folder" }
    let shown = endings.prefix(5).map { $0.isEmpty ? "no ending" : ".\($0)" }
    let more = endings.count > 5 ? ", ..." : ""
    return "\(files) \(files == 1 ? "file" : "files") of other kinds "
      + "(\(shown.joined(separator: ", "))\(more))"
  }
}
