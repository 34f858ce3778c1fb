import Foundation
import Imaging
import Randomness
import Synchronization
import Threads

/// The built-in data set: rendered scenes as image files, with the factors behind each.
///
/// A folder with `train/` and `validation/`, every other image PNG, the others JPEG, and
/// `factors.jsonl`, one ``SceneRecord`` a line in the order of the files. Image i of a seed is the
/// same whatever the counts of images, cores and threads.
public enum SceneDataset {
  /// What ``write(count:validation:size:seed:to:progress:shouldStop:)`` did.
  public enum Outcome: Sendable, Equatable {
    /// All images were rendered and written.
    case written
    /// The folder held exactly this data set already; nothing was touched.
    case alreadyThere
    /// A stop was requested; images that are there are whole, and the next call draws all.
    case stopped
  }

  /// The sides that an image may have, in pixels.
  public static let sizes = 8...4096

  /// The file that lists the factors; it is written last and so says that the rest is whole.
  public static let factorsFile = "factors.jsonl"

  /// Renders `count` training and `validation` further images of `size` x `size` into `folder`.
  ///
  /// Every file is written to a temporary name and renamed. A folder that an earlier call did not
  /// finish, or that holds another seed, size or count, is rewritten; images of an earlier
  /// call that are not part of this one are removed, and nothing else is. `progress` is called
  /// with the number of images done and the number of all, one call at a time.
  ///
  /// - Throws: ``SceneDatasetError`` with the path that could not be written, and why.
  @discardableResult
  public static func write(
    count: Int, validation: Int, size: Int = 64, seed: UInt64, to folder: String,
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in },
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) throws(SceneDatasetError) -> Outcome {
    guard count >= 0, validation >= 0, count <= .max - validation, count + validation > 0 else {
      throw .noImages(count: count, validation: validation)
    }
    guard sizes.contains(size) else { throw .badSize(size) }
    let records = (0..<count + validation).map {
      SceneRecord(index: $0, trainingCount: count, size: size, seed: seed)
    }
    let files = SceneFiles(folder: folder)
    let lines = try files.lines(of: records)
    if files.hold(records, lines: lines) { return .alreadyThere }
    try files.prepare(for: records)
    guard try render(records, files: files, shouldStop, progress) else { return .stopped }
    try files.write(lines, to: factorsFile)
    return .written
  }

  private struct Progress {
    var done = 0
    var failure: SceneDatasetError?
  }

  /// Draws all images; false where a stop was requested before.
  private static func render(
    _ records: [SceneRecord], files: SceneFiles, _ shouldStop: @escaping @Sendable () -> Bool,
    _ progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void
  ) throws(SceneDatasetError) -> Bool {
    let state = Mutex(Progress())
    concurrently(records.count) { index in
      guard !shouldStop(), state.withLock({ $0.failure == nil }) else { return }
      do throws(SceneDatasetError) {
        try files.write(records[index])
        state.withLock {
          $0.done += 1
          progress($0.done, records.count)
        }
      } catch {
        state.withLock { $0.failure = $0.failure ?? error }
      }
    }
    if let failure = state.withLock({ $0.failure }) { throw failure }
    return state.withLock { $0.done } == records.count
  }
}

/// One line of `factors.jsonl`: a file and the scene it shows.
public struct SceneRecord: Codable, Sendable, Equatable {
  /// The image's path within the data set's folder.
  public var file: String
  /// Width and height in pixels.
  public var size: Int
  /// The seed of the data set.
  public var seed: UInt64
  /// What the image shows.
  public var scene: Scene

  /// The record of image `index` of a data set; images from `trainingCount` on are for validation.
  public init(index: Int, trainingCount: Int, size: Int, seed: UInt64) {
    let isTraining = index < trainingCount
    let number = isTraining ? index : index - trainingCount
    let digits = String(number)
    let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    // Two families of streams, so that the validation images do not change with the count.
    var random = Generator(seed: seed).split(named: isTraining ? "train" : "validation")
      .split(UInt64(number))
    file =
      "\(isTraining ? "train" : "validation")/scene-\(padded).\(number % 2 == 0 ? "png" : "jpg")"
    self.size = size
    self.seed = seed
    scene = Scene(random: &random)
  }
}

/// Why the data set could not be written.
public enum SceneDatasetError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Fewer than one image was asked for.
  case noImages(count: Int, validation: Int)
  /// The size is out of range.
  case badSize(Int)
  /// A file or folder could not be written.
  case cannotWrite(path: String, reason: String)

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .noImages(let count, let validation):
      "expected at least one image to render, found \(count) for training and \(validation) for "
        + "validation. Ask for at least one."
    case .badSize(let size):
      "expected a size of 8 to 4096 pixels, found \(size). Choose 64, say."
    case .cannotWrite(let path, let reason):
      "\(path): cannot be written: \(reason). Check the folder, its permissions and the free "
        + "space, then run again."
    }
  }
}

// MARK: - Files

/// The files of a data set of scenes within its folder.
struct SceneFiles: Sendable {
  let folder: String

  private func url(_ path: String) -> URL {
    URL(fileURLWithPath: folder, isDirectory: true).appendingPathComponent(path)
  }

  /// The records as text, one JSON object a line with its keys in order.
  func lines(of records: [SceneRecord]) throws(SceneDatasetError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var lines = Data()
    do {
      for record in records {
        lines.append(try encoder.encode(record))
        lines.append(UInt8(ascii: "\n"))
      }
    } catch {
      throw .cannotWrite(path: url(SceneDataset.factorsFile).path, reason: "\(error)")
    }
    return lines
  }

  /// Whether the folder holds exactly these images and factors.
  func hold(_ records: [SceneRecord], lines: Data) -> Bool {
    guard let found = try? Data(contentsOf: url(SceneDataset.factorsFile)), found == lines else {
      return false
    }
    return records.allSatisfy { record in
      let values = try? url(record.file).resourceValues(forKeys: [.fileSizeKey])
      return (values?.fileSize ?? 0) > 0
    }
  }

  /// Makes the folders, and removes the factors and the images of an earlier, other data set.
  func prepare(for records: [SceneRecord]) throws(SceneDatasetError) {
    let manager = FileManager.default
    let kept = Set(records.map(\.file))
    var path = url(SceneDataset.factorsFile)
    do {
      if manager.fileExists(atPath: path.path) { try manager.removeItem(at: path) }
      for part in ["train", "validation"] {
        path = url(part)
        try manager.createDirectory(at: path, withIntermediateDirectories: true)
        for name in try manager.contentsOfDirectory(atPath: path.path)
        where Self.isOurs(name) && !kept.contains("\(part)/\(name)") {
          path = url("\(part)/\(name)")
          try manager.removeItem(at: path)
        }
      }
    } catch {
      throw .cannotWrite(path: path.path, reason: error.localizedDescription)
    }
  }

  /// Whether a file's name is one that records have: only those are ever removed.
  private static func isOurs(_ name: String) -> Bool {
    name.wholeMatch(of: /scene-[0-9]{5,}\.(png|jpg)/) != nil
  }

  /// Renders a record's scene and writes its image.
  func write(_ record: SceneRecord) throws(SceneDatasetError) {
    let image = SceneRenderer.render(record.scene, size: record.size)
    let format = record.file.hasSuffix(".png") ? ImageFormat.png : .jpeg
    let bytes: [UInt8]
    do throws(ImageError) {
      bytes = try ImageEncoder().encode(image, as: format, name: record.file)
    } catch {
      throw .cannotWrite(path: url(record.file).path, reason: error.description)
    }
    try write(Data(bytes), to: record.file)
  }

  /// Writes a file under a temporary name and renames it.
  ///
  /// It is not synced to the disk: after a loss of power the files are rendered again, which is
  /// quicker than waiting for the disk once per image.
  func write(_ bytes: Data, to file: String) throws(SceneDatasetError) {
    do {
      try bytes.write(to: url(file), options: .atomic)
    } catch {
      throw .cannotWrite(path: url(file).path, reason: error.localizedDescription)
    }
  }
}
