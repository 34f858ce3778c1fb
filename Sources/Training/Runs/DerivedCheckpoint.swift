import Autodiff
import Configuration
import Execution
import Files
import Foundation
import Safetensors
import Tokenizers

/// A checkpoint whose weights were made of another's instead of trained.
extension Checkpoint {
  /// Writes configuration and weights into a new folder, with what is known of the images.
  ///
  /// `encode`, `decode`, `compare` and `train --from` take it like any other checkpoint; it has no state to
  /// resume.
  ///
  /// - Parameters:
  ///   - run: the resolved configuration.
  ///   - parameters: its weights.
  ///   - source: the checkpoint that they were made of.
  ///   - file: which of its weights.
  ///   - kept: the checkpoints whose tokens it decodes beside its own, where its encoder
  ///     and quantizer are theirs.
  /// - Throws: ``TrainingError`` where the folder is occupied or cannot be written.
  public func writeDerived<B: Backend>(
    _ run: some Configurable, _ parameters: ParameterMemory<B>, from source: Checkpoint,
    weights file: String = Checkpoint.modelFile, keepingTokensOf kept: [String] = []
  ) throws {
    try checkIsFree()
    try makeFolder()
    let lock = try lock()
    defer { lock.release() }
    let metadata = try source.open(file).metadata
    for name in [Self.dataFile, PriorTokens.file, PriorVectors.file] where source.exists(name) {
      do throws(FileError) {
        try AtomicFile.write(
          String(decoding: ReadableFile.contents(of: source.path(name)), as: UTF8.self),
          to: path(name))
      } catch { throw TrainingError.file(error) }
    }
    try write(run)
    var record: [String: String] = [:]
    if !kept.isEmpty, let run = run as? RunConfiguration {
      record = KeptTokens(of: kept, run.tokenizer, WeightsHash(parameters)).metadata
    }
    try writeModel(
      parameters, step: Self.step(in: metadata) ?? 0, weights: metadata["weights"] ?? "last",
      record: record)
  }

  /// Writes the configuration and weights of a tokenizer that was trained elsewhere, a tensor at a time.
  ///
  /// - Parameter floats: the numbers of a tensor by its name, in the layout of files.
  /// - Throws: ``TrainingError`` where the folder is occupied or cannot be written, or a number is not
  ///   finite; what `floats` throws.
  public func writeImported(
    _ run: RunConfiguration, floats: (String) throws -> [Float]
  ) throws {
    try checkIsFree()
    let graph = Graph()
    _ = Tokenizer(run.tokenizer, in: Scope(graph))
    try makeFolder()
    let lock = try lock()
    defer { lock.release() }
    do {
      let writer = try SafetensorsWriter(
        path: path(Self.modelFile),
        tensors: graph.parameters.map {
          TensorDeclaration(name: $0.name, type: .f32, shape: $0.fileShape.dimensions)
        },
        metadata: ["format": "pt", "tessera": Self.version, "step": "0", "weights": "imported"])
      do {
        for entry in writer.entries {
          let numbers = try floats(entry.name)
          if let place = numbers.firstIndex(where: { !$0.isFinite }) {
            throw TrainingError.damaged(
              file: run.origin.file,
              reason: "element \(place) of \"\(entry.name)\" is \(numbers[place])")
          }
          try writer.append(numbers, to: entry.name)
        }
        try writer.finish()
      } catch {
        writer.cancel()
        throw error
      }
    } catch let error as SafetensorsError { throw TrainingError(error) }
    try write(run)
  }
}
