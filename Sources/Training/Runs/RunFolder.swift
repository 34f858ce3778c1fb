import Files
import Configuration
import Foundation
import Safetensors

/// The folder of a run before its first step: what is there, who may write, how a run begins.
extension Checkpoint {
  /// The contents of a folder where a run is to start.
  enum Occupant: Equatable {
    /// Nothing of a run.
    case nothing
    /// A run that ended before any step of it was saved: there is nothing to lose.
    case unsavedRun
    /// A run that can be resumed, or with a state that cannot be read.
    case run
    /// Weights without a state, such as a checkpoint that was copied or came with the software.
    case weights(file: String)
    /// A file of the name of one of a run's, which no run wrote.
    case foreign(file: String)
  }

  /// Whether the folder holds a state to resume from.
  public var hasState: Bool { exists(Self.stateFile) }

  /// Whether the folder holds a run with at least one saved step.
  public var holdsRun: Bool { occupant == .run }

  /// Whether the folder holds the best evaluated weights.
  public var hasBest: Bool { exists(Self.bestFile) }

  /// Whether there is a folder.
  public var hasFolder: Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  /// What is in the folder.
  var occupant: Occupant {
    let weights = [Self.modelFile, Self.bestFile].first(where: exists)
    if hasState {
      let isAtStart = (try? readProgress().step) == 0
      return isAtStart && weights == nil ? .unsavedRun : .run
    }
    if let weights { return .weights(file: weights) }
    if exists(Self.configurationFile) {
      // Of this version or another: what has these keys is a run's.
      let text = try? String(contentsOfFile: path(Self.configurationFile), encoding: .utf8)
      guard let text, case .object(let object)? = try? JSONValue(parsing: text),
        object["training"] != nil, object["kind"] != nil || object["quantizer"] != nil
      else { return .foreign(file: Self.configurationFile) }
      return .unsavedRun
    }
    return exists(Journal.fileName) ? .foreign(file: Journal.fileName) : .nothing
  }

  /// Checks that a run may begin in the folder without anything being lost.
  public func checkIsFree() throws(TrainingError) {
    switch occupant {
    case .nothing, .unsavedRun: return
    case .run: throw .outputExists(folder: folder)
    case .weights(let file): throw .weightsExist(folder: folder, file: file)
    case .foreign(let file): throw .foreignFile(folder: folder, file: file)
    }
  }

  /// Keeps all others from writing into the folder, which exists.
  ///
  /// A second process is refused at once.
  public func lock() throws(TrainingError) -> FolderLock {
    do {
      return try FolderLock(folder: folder)
    } catch {
      switch error {
      case .held(let process): throw .folderInUse(folder: folder, process: process)
      case .file(let error): throw .file(error)
      }
    }
  }

  /// Keeps other processes out of the folder before anything else takes its time, if a run may begin or
  /// go on there; nil where there is no folder yet.
  public func lockForTraining(resuming: Bool) throws(TrainingError) -> FolderLock? {
    if resuming {
      guard hasState else { throw withoutState }
    } else {
      try checkIsFree()
    }
    return hasFolder ? try lock() : nil
  }

  /// Makes the folder.
  func makeFolder() throws(TrainingError) {
    guard !isReadOnly else { return }
    guard !folder.isEmpty else {
      throw .cannotMakeFolder(folder: folder, reason: "its name is empty")
    }
    do throws(FileError) {
      try Folder.make(folder)
    } catch {
      throw .cannotMakeFolder(folder: folder, reason: error.inWords)
    }
  }

  /// Makes the folder of samples and writes the configuration.
  func write(_ run: some Configurable) throws(TrainingError) {
    guard !isReadOnly else { return }
    do throws(FileError) {
      try Folder.make(path(Self.samplesFolder))
    } catch {
      throw .cannotMakeFolder(folder: path(Self.samplesFolder), reason: error.inWords)
    }
    // What a killed run was about to write.
    let sheets = FileManager.default.enumerator(atPath: path(Self.samplesFolder))
    while let name = sheets?.nextObject() as? String {
      guard name.hasPrefix(".partial-") || name.hasSuffix(".png.partial") else { continue }
      unlink(path(Self.samplesFolder) + "/" + name)
    }
    do {
      try AtomicFile.write(run.savedText, to: path(Self.configurationFile))
    } catch { throw .file(error) }
  }

  /// Removes what a run left that ended before any step of it was saved.
  func clear() throws(TrainingError) {
    guard !isReadOnly else { return }
    let files = FileManager.default
    // The state first: it must not be resumed once something else is gone.
    for name in [Self.stateFile, Journal.fileName] where exists(name) {
      guard unlink(path(name)) == 0 else {
        throw .file(FileError(.write, path(name), .system(errno)))
      }
    }
    let sheets = (try? files.contentsOfDirectory(atPath: path(Self.samplesFolder))) ?? []
    for name in sheets where name.wholeMatch(of: /[0-9]{7,}\.png/) != nil {
      unlink(path(Self.samplesFolder) + "/" + name)
    }
  }
}

extension Configurable {
  /// The configuration saved in the run's folder: all values, without the path of the schema.
  var savedText: String {
    guard case .object(var object)? = try? JSONValue(parsing: resolved) else { return resolved }
    object["$schema"] = nil
    return JSONValue.object(object).prettyText + "\n"
  }
}
