import Configuration
import Execution
import Files
import Foundation
import Safetensors

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
}
