import Configuration

/// Which images a run sees, and how they become squares of one size.
public struct DataConfiguration: Sendable, Equatable {
  /// How an image is scaled before it is cropped.
  public enum Resize: String, Sendable, CaseIterable {
    /// Not at all: squares are cut from the image's own pixels.
    case none
    /// The shorter side is scaled to `resizeTo`, or to `imageSize` where that is not given.
    case cover
  }

  /// Which square is cut from an image for training.
  ///
  /// Evaluation always takes the centre.
  public enum Crop: String, Sendable, CaseIterable {
    /// A different place each time the image comes up.
    case random
    /// The middle of the image.
    case centre
  }

  /// Folder of PNG and JPEG files to train on, searched with its subfolders.
  public var train: String
  /// Folder of images to evaluate on.
  ///
  /// Without it a share of `train` is set aside.
  public var validation: String?
  /// Share of the images in `train` set aside for evaluation when `validation` is nil.
  public var validationShare: Double
  /// Side in pixels of the square the model sees.
  public var imageSize: Int
  /// How an image is scaled before it is cropped.
  public var resize: Resize
  /// Length in pixels the shorter side is scaled to; nil means `imageSize`.
  public var resizeTo: Int?
  /// Which square is cut from an image for training.
  public var crop: Crop
  /// Whether a training image is mirrored left to right every second time, by chance.
  public var flip: Bool
  /// Decoded pixels kept in memory, in megabytes (1,000,000 bytes); 0 keeps none.
  public var cacheMegabytes: Int

  /// Describes the images of a run.
  public init(
    train: String, validation: String? = nil, validationShare: Double = 0.05,
    imageSize: Int = 32, resize: Resize = .cover, resizeTo: Int? = nil, crop: Crop = .random,
    flip: Bool = true, cacheMegabytes: Int = 1024
  ) {
    self.train = train
    self.validation = validation
    self.validationShare = validationShare
    self.imageSize = imageSize
    self.resize = resize
    self.resizeTo = resizeTo
    self.crop = crop
    self.flip = flip
    self.cacheMegabytes = cacheMegabytes
  }
}
