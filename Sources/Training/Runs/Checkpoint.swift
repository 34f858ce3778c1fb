import Autodiff
import Configuration
import Execution
import Files
import Foundation
import Ranks
import Safetensors
import TokenFiles
import Tokenizers

/// A run's folder: configuration, weights, and what a bit-exact continuation needs.
///
///     config.json          the resolved configuration
///     model.safetensors    the weights to encode with, named and laid out as in diffusers
///     best.safetensors     the best evaluated ones, where they are kept
///     state.safetensors    weights, moments, averages, the step, what the training set was
///     data.jsonl           where the images are, and the names of those to train on
///     images.index         sizes, times and extents of the images, to resume without reading them all
///     metrics.jsonl        the log
///     samples/*.png        originals over reconstructions
///
/// Every file is written beside its place, synced and renamed, so that a crash at any instant
/// leaves the previous one whole. The state is complete in itself: it is all that resuming reads.
public struct Checkpoint: Sendable, Equatable {
  /// The version of the format.
  public static let version = "1"
  /// The resolved configuration's file.
  public static let configurationFile = "config.json"
  /// The weights' file.
  public static let modelFile = "model.safetensors"
  /// The file of the best evaluated weights, where they are kept.
  public static let bestFile = "best.safetensors"
  /// The file that resuming reads.
  public static let stateFile = "state.safetensors"
  /// The folder of sample sheets.
  public static let samplesFolder = "samples"

  /// What stands before the names of lists of numbers in a state.
  private static let numbersPrefix = "numbers."

  /// The run's folder.
  public let folder: String
  /// Whether it is another process that writes: then writing does nothing here.
  var isReadOnly = false

  /// What a state holds beside weights and moments: averages, and what diagnostics look back on.
  struct StateExtras {
    /// Blocks laid out as the weights are.
    var blocks: [ParameterBlock] = []
    /// Lists of numbers by name.
    var numbers: [String: [Double]] = [:]
  }

  /// The checkpoint in a folder.
  public init(folder: String) {
    self.folder = folder
  }

  /// The checkpoint of a run of several processes, of which the first writes.
  init(folder: String, of group: ProcessGroup?) {
    self.folder = folder
    isReadOnly = !(group?.isFirst ?? true)
  }

  // MARK: Writing

  /// Writes the weights to encode with, a tensor at a time.
  ///
  /// - Parameters:
  ///   - file: where: ``modelFile``, or ``bestFile``.
  ///   - weights: which ones those are, for whoever asks the file.
  ///   - record: what else its metadata say.
  func writeModel<B: Backend>(
    _ parameters: ParameterMemory<B>, to file: String = Self.modelFile, step: Int, weights: String,
    record: [String: String] = [:]
  ) throws(TrainingError) {
    do {
      try write(
        [(.values, "")], of: parameters,
        metadata: [
          "format": "pt", "tessera": Self.version, "step": String(step), "weights": weights,
        ].merging(record) { $1 }, to: path(file))
    } catch { throw TrainingError(error) }
  }

  /// Writes all that a continuation needs, a tensor at a time.
  func writeState<B: Backend>(
    _ parameters: ParameterMemory<B>, _ progress: Progress, _ extras: StateExtras
  ) throws(TrainingError) {
    do {
      try write(
        (ParameterBlock.trained + extras.blocks).map { ($0, $0.name + ".") }, of: parameters,
        numbers: extras.numbers,
        metadata: progress.metadata.merging(["tessera": Self.version]) { $1 },
        to: path(Self.stateFile))
    } catch { throw TrainingError(error) }
  }

  /// Writes blocks of parameters under the names of their tensors, by way of a buffer for one, and
  /// lists of numbers.
  private func write<B: Backend>(
    _ blocks: [(block: ParameterBlock, prefix: String)],
    of parameters: ParameterMemory<B>, numbers: [String: [Double]] = [:],
    metadata: [String: String], to path: String
  ) throws(SafetensorsError) {
    guard !isReadOnly else { return }
    let layout = parameters.layout.parameters
    var sources: [String: (index: Int, block: ParameterBlock)] = [:]
    var tensors = numbers.map { name, list in
      TensorDeclaration(name: Self.numbersPrefix + name, type: .f64, shape: [list.count])
    }
    for (block, prefix) in blocks {
      for (index, parameter) in layout.enumerated() where block.holds(parameter) {
        let name = prefix + parameter.name
        sources[name] = (index, block)
        tensors.append(
          TensorDeclaration(name: name, type: .f32, shape: parameter.fileShape.dimensions))
      }
    }
    let writer = try SafetensorsWriter(path: path, tensors: tensors, metadata: metadata)
    let largest = layout.map(\.shape.count).max() ?? 0
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: largest)
    defer { buffer.deallocate() }
    for entry in writer.entries {
      if let (index, block) = sources[entry.name] {
        parameters.read(parameter: index, of: block, into: buffer.baseAddress!)
        let numbers = UnsafeBufferPointer(rebasing: buffer[..<entry.elementCount])
        try writer.append(UnsafeRawBufferPointer(numbers), to: entry.name)
      } else {
        let list = numbers[String(entry.name.dropFirst(Self.numbersPrefix.count))]!
        let bytes = UnsafeMutableRawBufferPointer.allocate(
          byteCount: list.count * 8, alignment: 8)
        defer { bytes.deallocate() }
        list.withUnsafeBytes { bytes.copyMemory(from: $0) }
        try writer.append(UnsafeRawBufferPointer(bytes), to: entry.name)
      }
    }
    try writer.finish()
  }

  // MARK: Reading

  /// What was trained in the folder; a tokenizer where its configuration says nothing.
  ///
  /// - Throws: ``TrainingError`` `otherKind` for a word that this version does not know.
  public func kind() throws -> RunKind {
    let text = try? String(contentsOfFile: path(Self.configurationFile), encoding: .utf8)
    guard let text, case .object(let object)? = try? JSONValue(parsing: text),
      case .string(let word)? = object["kind"]
    else { return .tokenizer }
    guard let kind = RunKind(rawValue: word) else {
      throw TrainingError.otherKind(folder: folder, expected: .tokenizer, found: word)
    }
    return kind
  }

  /// The configuration that the run of a tokenizer was started with.
  public func readConfiguration() throws -> RunConfiguration {
    try readConfiguration(of: .tokenizer)
  }

  /// The configuration that the run of a model of one's own was started with.
  public func readModelConfiguration() throws -> ModelRunConfiguration {
    try readConfiguration(of: .model)
  }

  /// The configuration of a run, which must be of a kind.
  func readConfiguration<Run: TrainedRun>(of expected: RunKind) throws -> Run {
    guard exists(Self.configurationFile) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: Self.configurationFile)
    }
    let kind = try kind()
    guard kind == expected else {
      throw TrainingError.otherKind(folder: folder, expected: expected, found: kind.rawValue)
    }
    return try readConfiguration(Run.self)
  }

  /// The configuration that a run of some kind was started with.
  func readConfiguration<C: Configurable>(_ kind: C.Type) throws -> C {
    guard exists(Self.configurationFile) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: Self.configurationFile)
    }
    return try C.load(path: path(Self.configurationFile))
  }

  /// Reads the weights into memory.
  ///
  /// - Parameters:
  ///   - name: the file: ``modelFile``, or ``bestFile``.
  ///   - whole: all parameters of the file, where memory is of some of them: the others are looked at, and
  ///     hashed, one after the other.
  /// - Returns: the hash of all, taken on the way.
  @discardableResult
  public func readModel<B: Backend>(
    _ name: String = Self.modelFile, into parameters: ParameterMemory<B>,
    of whole: ParameterLayout? = nil
  ) throws(TrainingError) -> WeightsHash {
    let file = try open(name)
    return try read(file, .values, prefix: "", into: parameters, of: whole)
  }

  /// Where in the run the state was saved.
  func readProgress() throws(TrainingError) -> Progress {
    try progress(of: open(Self.stateFile))
  }

  private func progress(of file: SafetensorsFile) throws(TrainingError) -> Progress {
    guard let progress = Progress(file.metadata) else {
      throw .damaged(file: path(Self.stateFile), reason: "its metadata lack the step")
    }
    return progress
  }

  /// Reads a state into memory.
  ///
  /// - Parameter optional: blocks that are read too where the file has them.
  /// - Returns: where the run was, and which of these blocks and what numbers were there.
  func readState<B: Backend>(
    into parameters: ParameterMemory<B>, optional: [ParameterBlock]
  ) throws(TrainingError) -> (progress: Progress, extras: StateExtras) {
    let file = try open(Self.stateFile)
    let names = Set(file.entries.map(\.name))
    let found = optional.filter { block in
      parameters.layout.parameters.contains { names.contains(block.name + "." + $0.name) }
    }
    for block in ParameterBlock.trained + found {
      _ = try read(file, block, prefix: block.name + ".", into: parameters)
    }
    let numbers: [String: [Double]]
    do { numbers = try self.numbers(in: file) } catch { throw TrainingError(error) }
    return (try progress(of: file), StateExtras(blocks: found, numbers: numbers))
  }

  /// The lists of numbers in a state.
  private func numbers(
    in file: SafetensorsFile
  ) throws(SafetensorsError) -> [String: [Double]] {
    var numbers: [String: [Double]] = [:]
    for entry in file.entries
    where entry.name.hasPrefix(Self.numbersPrefix) && entry.type == .f64 {
      let name = String(entry.name.dropFirst(Self.numbersPrefix.count))
      numbers[name] = try file.withBytes(of: entry) { bytes in
        (0..<entry.elementCount).map {
          bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)
        }
      }
    }
    return numbers
  }

  /// What a token file records of the tokenizer: its quantizer, and a hash of all that
  /// decides what a token means.
  ///
  /// The fingerprint is the hash of three hashes: of the resolved model and quantizer, and of the
  /// weights.
  public static func identity(
    _ tokenizer: TokenizerConfiguration, _ weights: WeightsHash
  ) -> TokenizerIdentity {
    let hash = Fingerprint.hash(
      of: [tokenizer.model.resolved, tokenizer.quantizer.resolved].map { Fingerprint.hash($0) }
        + [weights.value])
    return TokenizerIdentity(
      fingerprint: Fingerprint.hexadecimal(hash), quantizer: tokenizer.quantizer.kind,
      levels: tokenizer.quantizer.levels,
      codebookSize: tokenizer.quantizer.codebookSize, depth: tokenizer.quantizer.depth,
      downsampling: tokenizer.model.downsampling)
  }

  /// A hash of files' names, by which a resumed run knows its training set again.
  static func hash(ofNames names: some Sequence<String>) -> String {
    var hash = Checksum()
    for name in names { Array((name + "\n").utf8).withUnsafeBytes { hash.add($0) } }
    return hash.hexadecimal
  }

  // MARK: Parts

  func path(_ name: String) -> String { folder + "/" + name }

  func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: path(name))
  }

  func open(_ name: String) throws(TrainingError) -> SafetensorsFile {
    guard exists(name) else { throw .noCheckpoint(folder: folder, missing: name) }
    let file: SafetensorsFile
    do { file = try SafetensorsFile(path: path(name)) } catch { throw TrainingError(error) }
    guard let version = file.metadata["tessera"] else {
      throw .damaged(file: path(name), reason: "its metadata lack the version of the format")
    }
    guard version == Self.version else {
      throw .version(file: path(name), found: version, expected: Self.version)
    }
    return file
  }

  private func read<B: Backend>(
    _ file: SafetensorsFile, _ block: ParameterBlock, prefix: String,
    into parameters: ParameterMemory<B>, of whole: ParameterLayout? = nil
  ) throws(TrainingError) -> WeightsHash {
    var hash = WeightsHash()
    for parameter in (whole ?? parameters.layout).parameters where block.holds(parameter) {
      let index = parameters.layout.index(of: parameter.name)
      var isFinite = true
      do {
        try file.withFloats(prefix + parameter.name, shape: parameter.fileShape.dimensions) {
          hash.add($0, of: parameter.name)
          if let index {
            parameters.write($0, toParameter: index, of: block)
          } else {
            isFinite = $0.allSatisfy(\.isFinite)
          }
        }
      } catch {
        throw TrainingError(error)
      }
      guard isFinite else {
        throw .damaged(
          file: file.path,
          reason: "the tensor \"\(parameter.name)\" holds a number that is not finite")
      }
    }
    return hash
  }
}

extension TrainingError {
  /// A fault of a safetensors file as an error of this module.
  init(_ error: SafetensorsError) {
    switch error {
    case .file(let error): self = .file(error)
    case .cutShort(let path, _, _), .tooLong(let path, _, _), .malformed(let path, _, _),
      .noSuchTensor(let path, _, _, _), .shape(let path, _, _, _), .type(let path, _, _, _),
      .outOfRange(let path, _, _, _), .declaration(let path, _):
      self = .damaged(file: path, reason: error.description)
    }
  }
}

extension ParameterBlock {
  /// Whether a file has this block's numbers of a parameter: those that are not trained have a value
  /// and nothing else.
  fileprivate func holds(_ parameter: Parameter) -> Bool {
    self == .values || parameter.isTrained
  }
}
