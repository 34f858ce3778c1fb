/// The images of a run: those to train on, those to validate with, and what was wrong.
public struct Dataset: Sendable {
  /// The images to train on.
  public let training: ImageSet
  /// The images to validate with, none of them trained on; empty if none were to be held out.
  public let validation: ImageSet
  /// Files that were left out because they cannot be decoded; to be told to the user.
  public let rejected: [RejectedImage]

  /// Opens a folder to train on, and a folder to validate with or a share of the first.
  ///
  /// - Parameters:
  ///   - train: The folder to train on.
  ///   - validation: The folder to validate with; nil holds out a share of the first instead.
  ///   - validationShare: The share to hold out, 0...1.
  ///   - seed: Decides which images are held out.
  ///   - augmentation: What is made of an image.
  ///   - cacheMegabytes: How many MB (2^20 bytes) of pixels are kept in memory, both together.
  ///   - progress: Called with the files looked at and all files of a folder.
  public init(
    train: String, validation: String? = nil, validationShare: Double, seed: UInt64,
    augmentation: Augmentation, cacheMegabytes: Int,
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws(DatasetError) {
    let store = try ImageStore(
      folder: ImageFolder(path: train), augmentation: augmentation,
      cacheMegabytes: cacheMegabytes, progress: progress)
    if let validation {
      let other = try ImageStore(
        folder: ImageFolder(path: validation), augmentation: augmentation.withoutChance,
        cacheMegabytes: max(0, cacheMegabytes - store.cachedBytes >> 20), progress: progress)
      training = ImageSet(store: store)
      self.validation = ImageSet(store: other)
      rejected = store.rejected + other.rejected
    } else {
      let split = Split(store.files, validationShare: validationShare, seed: seed)
      let needed = validationShare > 0 ? 2 : 1
      guard !split.training.isEmpty, store.count >= needed else {
        throw .tooFewImages(path: train, count: store.count, needed: needed)
      }
      training = ImageSet(store: store, indices: split.training)
      self.validation = ImageSet(store: store, indices: split.validation)
      rejected = store.rejected
    }
  }

  /// The same images, to go on with a run that was started with a list of names to train on.
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
      rejected: rejected)
  }

  private init(training: ImageSet, validation: ImageSet, rejected: [RejectedImage]) {
    self.training = training
    self.validation = validation
    self.rejected = rejected
  }
}
