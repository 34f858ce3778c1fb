#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Errors in reading and writing image files.
///
/// Each case carries the file's name.
public enum ImageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file cannot be opened or read.
  case unreadable(file: String, reason: String)
  /// The system has no more files or memory to give; nothing is known of the file.
  case exhausted(file: String, reason: String)
  /// The file has no bytes.
  case empty(file: String)
  /// The first bytes are neither those of a PNG nor of a JPEG file; `seems` says what they are.
  case notAnImage(file: String, seems: String)
  /// The file is damaged, cut off, or uses a feature that is not supported.
  case corrupt(file: String, format: ImageFormat, reason: String)
  /// The header states more pixels than the decoder accepts. Nothing was allocated for them.
  case tooManyPixels(file: String, width: Int, height: Int, limit: Int)
  /// The file is larger than any image within the pixel limit could need.
  case tooManyBytes(file: String, bytes: Int, limit: Int)
  /// The image does not fit the format.
  case cannotEncode(file: String, format: ImageFormat, reason: String)
  /// The file cannot be written. A file that was there before is unchanged.
  case cannotWrite(file: String, reason: String)

  /// Whether it says nothing of the file, only that the system has no more to give.
  public var isExhaustion: Bool { if case .exhausted = self { true } else { false } }

  /// What was expected, what was found, and what to do, in a sentence or two.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): cannot be read: \(reason). Check the path and the permissions."
    case .exhausted(let file, let reason):
      "\(file): cannot be opened: \(reason). That is a limit of the system, no fault of the file: "
        + "raise it (ulimit -n), or use fewer --threads."
    case .empty(let file):
      "\(file): the file is empty, expected a PNG or JPEG image. Download it again or remove it."
    case .notAnImage(let file, let seems):
      "\(file): expected a PNG or JPEG image, found \(seems). "
        + "Convert it to PNG or JPEG, or move it out of the folder."
    case .corrupt(let file, let format, let reason):
      "\(file): cannot be decoded as \(format.rawValue.uppercased()): \(reason). The file is "
        + "damaged or of a rare kind; download it again, save it as a plain PNG, or remove it."
    case .tooManyPixels(let file, let width, let height, let limit):
      "\(file): \(width)x\(height) pixels are more than the limit of \(limit). "
        + "Scale the image down."
    case .tooManyBytes(let file, let bytes, let limit):
      "\(file): \(bytes) bytes are more than the \(limit) that an image within the pixel limit can "
        + "take. Save it without attachments."
    case .cannotEncode(let file, let format, let reason):
      "\(file): cannot be encoded as \(format.rawValue.uppercased()): \(reason). "
        + "Choose the other format or a smaller image."
    case .cannotWrite(let file, let reason):
      "\(file): cannot be written: \(reason). Check the folder, its permissions and the free space."
    }
  }
}

extension ImageError {
  /// What the system says where it is at its limits or out of reach, whatever the file.
  private static let passing: Set<String> = Set(
    [EMFILE, ENFILE, ENOMEM, ENOBUFS, ESTALE, ETIMEDOUT, EAGAIN, EINTR].map {
      String(cString: strerror($0))
    })

  /// Whether the fault is the file's own, so that reading it again would end the same way.
  ///
  /// Not so where the process may open no more files, memory is short, or a file server is away.
  public var isOfTheFile: Bool {
    switch self {
    case .exhausted: return false
    case .unreadable(_, let reason): return !Self.passing.contains(reason)
    default: return true
    }
  }
}
