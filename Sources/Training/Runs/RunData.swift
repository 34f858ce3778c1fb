import Files
import Configuration
import Datasets
import Execution
import Foundation
import Safetensors

/// Where the images of a run are.
public struct RunImageFolders: Sendable, Equatable {
  /// The folder to train on.
  public var train: String
  /// The folder to validate with; nil where a fraction of the first is held out.
  public var validation: String?
  /// The folder of an earlier run with these images, whose indexes spare reading them all again.
  public var knownBy: String?

  /// The folders by their paths.
  public init(train: String, validation: String? = nil, knownBy: String? = nil) {
    self.train = train
    self.validation = validation
    self.knownBy = knownBy
  }
}

extension Dataset {
  /// Opens the images of a run; decoded ones are kept in the memory that the run leaves.
  ///
  /// - Parameters:
  ///   - need: the memory that the run takes.
  ///   - listing: told how far the listing of the images is.
  ///   - progress: called as files are looked at, from several threads.
  public init(
    _ run: RunConfiguration, in folders: RunImageFolders, beside need: MemoryNeed,
    listing: @escaping ListingObserver = { _ in },
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws {
    let known = folders.knownBy.map { Checkpoint(folder: $0).readIndexes() }
    let room = MemoryLimits().least.bytes - need.bytes - 2 * MemoryLimits.reserve
    try self.init(
      train: folders.train, validation: folders.validation, member: run.data.member,
      validationShare: run.data.validationShare,
      seed: UInt64(bitPattern: Int64(run.training.seed)), augmentation: run.data.augmentation,
      background: run.data.backgroundColor,
      cacheMegabytes: min(run.data.cacheMegabytes, Int(max(0, room) / 1e6)),
      damagedLimit: run.data.damagedLimit, known: known ?? Indexes(),
      listing: listing, progress: progress)
  }
}

/// The images that a run was started with: `data.jsonl`.
///
/// The first line tells the folders, as they were named and as absolute paths, so that a run resumes
/// from any working directory, and which images it is validated with. Each further line is the name of an image to train on, in the
/// order that the samples of the run are numbered by; so differences can be named later.
extension Checkpoint {
  /// The file's name.
  public static let dataFile = "data.jsonl"

  /// Where the images of a run are now: where they were when it began, or else as its configuration
  /// names them, relative to the working directory.
  ///
  /// - Throws: `noImages` if a folder is at neither place.
  public func imageFolders(_ run: RunConfiguration) throws(TrainingError) -> RunImageFolders {
    RunImageFolders(
      train: try trainingFolder(run), validation: try validationFolder(run), knownBy: folder)
  }

  /// Where the images to train on are; likewise.
  public func trainingFolder(_ run: RunConfiguration) throws(TrainingError) -> String {
    try place("data.train", run.data.train, readFolders()["train"])
  }

  /// Where the images to validate with are, nil where a fraction of the others is held out;
  /// likewise.
  public func validationFolder(_ run: RunConfiguration) throws(TrainingError) -> String? {
    guard let given = run.data.validation else { return nil }
    return try place("data.validation", given, readFolders()["validation"])
  }

  private func place(
    _ key: String, _ given: String, _ recorded: Recorded?
  ) throws(TrainingError) -> String {
    guard let recorded, recorded.given == given, recorded.path != given else { return given }
    if ImageSource.exists(recorded.path) {
      return recorded.path == Self.absolute(given) ? given : recorded.path
    }
    if ImageSource.exists(given) { return given }
    throw .imagesMoved(key: key, given: given, recorded: recorded.path)
  }

  /// The files' names for the indexes of images: those to train on, and those to validate with.
  public static let indexFile = "images.index"
  static let validationIndexFile = "validation.index"

  /// What is known of the images.
  func readIndexes() -> Dataset.Indexes {
    Dataset.Indexes(
      training: ImageIndex(path: path(Self.indexFile)),
      validation: ImageIndex(path: path(Self.validationIndexFile)))
  }

  /// Writes what is known of the images.
  ///
  /// What is missing or damaged is made again, so that failing is no failure of the run: the disk that has
  /// no room for an index has none for the state either, and that is told.
  private func writeIndexes(_ run: RunConfiguration, _ dataset: Dataset) {
    try? dataset.training.store.index.write(to: path(Self.indexFile))
    if run.data.validation != nil {
      try? dataset.validation.store.index.write(to: path(Self.validationIndexFile))
    }
  }

  /// Writes where the images are and which ones are trained on.
  func writeData(_ run: RunConfiguration, _ dataset: Dataset) throws(TrainingError) {
    guard !isReadOnly else { return }
    func entry(_ given: String, _ images: ImageSet, names: Bool) -> JSONValue {
      var entry = JSONObject([
        "given": .string(given), "path": .string(Self.absolute(images.store.source.path)),
      ])
      if names {
        entry["images"] = .integer(images.count)
        entry["names"] = .string(Self.hash(ofNames: images.files))
      }
      return .object(entry)
    }
    var head = JSONObject([
      "images": .integer(dataset.training.count),
      "train": entry(run.data.train, dataset.training, names: false),
    ])
    if let validation = run.data.validation {
      head["validation"] = entry(validation, dataset.validation, names: true)
    }
    do {
      let file = try AtomicFile(path: path(Self.dataFile))
      try file.append(Array((JSONValue.object(head).compactText + "\n").utf8))
      for name in dataset.training.files {
        try file.append(Array((JSONValue.string(name).compactText + "\n").utf8))
      }
      try file.finish()
    } catch { throw .file(error) }
    writeIndexes(run, dataset)
  }

  /// What to say where a run is not validated with the images that it was last validated with; nil
  /// where it is, or where that is not known.
  func validationChange(_ run: RunConfiguration, _ dataset: Dataset) -> String? {
    guard run.data.validation != nil, let before = readFolders()["validation"],
      let names = before.names, let count = before.images,
      names != Self.hash(ofNames: dataset.validation.files)
    else { return nil }
    return "the images in \(dataset.validation.store.source.path) have changed "
      + "(\(dataset.validation.count) now, \(count) before): evaluations from here on are not "
      + "comparable with earlier ones"
  }

  /// The names of the images to train on; nil where they are not known.
  func readNames() -> [String]? {
    var names: [String] = []
    var isHead = true
    try? JournalReading.lines(of: path(Self.dataFile)) { line, _ in
      defer { isHead = false }
      if !isHead,
        case .string(let name)? = try? JSONValue(parsing: String(decoding: line, as: UTF8.self))
      {
        names.append(name)
      }
    }
    return isHead ? nil : names
  }

  /// A folder as it was named, where it was, and which images it had.
  private struct Recorded {
    var given: String
    var path: String
    var images: Int?
    var names: String?
  }

  private static func absolute(_ folder: String) -> String {
    URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL.path
  }

  private func readFolders() -> [String: Recorded] {
    struct Enough: Error {}
    var folders: [String: Recorded] = [:]
    try? JournalReading.lines(of: path(Self.dataFile)) { line, _ in
      if case .object(let object)? = try? JSONValue(parsing: String(decoding: line, as: UTF8.self))
      {
        for member in object.members {
          guard case .object(let entry) = member.value, case .string(let given)? = entry["given"],
            case .string(let path)? = entry["path"]
          else { continue }
          var recorded = Recorded(given: given, path: path)
          if case .integer(let images)? = entry["images"] { recorded.images = images }
          if case .string(let names)? = entry["names"] { recorded.names = names }
          folders[member.key] = recorded
        }
      }
      throw Enough()
    }
    return folders
  }
}
