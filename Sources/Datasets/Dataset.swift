import Imaging

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

  /// Opens a folder to train on, and a folder to validate with or a fraction of the first.
  ///
  /// - Parameters:
  ///   - train: The folder to train on.
  ///   - validation: The folder to validate with; nil holds out a fraction of the first instead.
  ///   - validationShare: The share to hold out, 0...1.
  ///   - seed: Decides which images are held out.
  ///   - augmentation: What is made of an image.
  ///   - background: What transparent pixels are composited over; nil drops alpha.
  ///   - cacheMegabytes: How many MB (1,000,000 bytes) of pixels are kept in memory, both together.
  ///   - progress: Called with the files looked at and all files of a folder.
  public init(
    train: String, validation: String? = nil, validationShare: Double, seed: UInt64,
    augmentation: Augmentation, background: PixelColor? = .white, cacheMegabytes: Int,
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws(DatasetError) {
    let decoder = ImageDecoder(background: background)
    let store = try ImageStore(
      folder: ImageFolder(path: train), augmentation: augmentation,
      cacheMegabytes: cacheMegabytes, decoder: decoder, progress: progress)
    if let validation {
      let other = try ImageStore(
        folder: ImageFolder(path: validation), augmentation: augmentation.withoutChance,
        cacheMegabytes: max(0, cacheMegabytes - store.cachedBytes / 1_000_000), decoder: decoder,
        progress: progress)
      training = ImageSet(store: store)
      self.validation = ImageSet(store: other)
      rejected = store.rejected + other.rejected
      doubtful = store.doubtful + other.doubtful
      notes = store.folder.notes + other.folder.notes
      transparentCount = store.transparentCount + other.transparentCount
    } else {
      let split = Split(store.files, validationShare: validationShare, seed: seed)
      let needed = validationShare > 0 ? 2 : 1
      guard !split.training.isEmpty, store.count >= needed else {
        throw .tooFewImages(path: train, count: store.count, needed: needed)
      }
      training = ImageSet(store: store, indices: split.training)
      self.validation = ImageSet(store: store, indices: split.validation)
      rejected = store.rejected
      doubtful = store.doubtful
      notes = store.folder.notes
      transparentCount = store.transparentCount
    }
  }

  /// The same images, to resume a run that was started with a list of names to train on.
  ///
  /// - Parameters:
  ///   - files: the names of all images to train on, in their order.
  ///   - damaged: those among them that were found bad before.
  ///   - damagedValidation: the same of the images to validate with.
  /// - Throws: `tooManyDamaged` if hardly any is left.
  public func following(
    _ files: [String], damaged: Set<String>, damagedValidation: Set<String>
  ) throws(DatasetError) -> Dataset {
    Dataset(
      training: try ImageSet(store: training.store, files: files, damaged: damaged),
      validation: try ImageSet(
        store: validation.store, files: validation.files, damaged: damagedValidation),
      of: self)
  }

  private init(training: ImageSet, validation: ImageSet, of other: Dataset) {
    self.training = training
    self.validation = validation
    rejected = other.rejected
    doubtful = other.doubtful
    notes = other.notes
    transparentCount = other.transparentCount
  }
}
