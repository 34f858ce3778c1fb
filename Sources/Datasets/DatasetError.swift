import Imaging

/// Why images cannot be had from a folder; each case names the file or folder.
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
  /// A file that was good when the data set was opened cannot be decoded any more.
  case image(ImageError)
  /// More than half of the images that were good when the data set was opened are bad; the first is
  /// told.
  case tooManyDamaged(path: String, damaged: Int, count: Int, first: String)
  /// No more images or batches: a stop was requested.
  case stopped

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .missingFolder(let path):
      "\(path): expected a folder of PNG or JPEG files, found nothing at this path. Check the path."
    case .notAFolder(let path):
      "\(path): expected a folder of PNG or JPEG files, found a file. Name the folder it is in."
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
    case .image(let error): error.description
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
      .tooFewImages,
      .tooManyDamaged, .stopped:
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
