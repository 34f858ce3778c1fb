import CPUBackend
import Execution
import Foundation
import Inference
import Tokenizers
import TokenFiles
import Training

/// The device that all commands compute on: the one place that names a backend.
typealias Device = CPUBackend

/// A checkpoint, opened: weights in memory, ready to encode and decode.
struct OpenedTokenizer {
  /// The run that trained it.
  let run: RunConfiguration
  /// The weights.
  let parameters: ParameterMemory<Device>
  /// What token files record of it.
  let identity: TokenizerIdentity
  /// Encodes and decodes.
  let codec: Codec<Device>

  /// Reads a checkpoint's configuration and weights.
  init(checkpoint folder: String, threads: Int) throws {
    if folder.hasSuffix("/" + Checkpoint.modelFile) || folder == Checkpoint.modelFile,
      FileManager.default.fileExists(atPath: folder)
    {
      let parent =
        folder == Checkpoint.modelFile
        ? "." : String(folder.dropLast(Checkpoint.modelFile.count + 1))
      throw Failure(
        .usage,
        "--checkpoint \(folder): expected the folder of a run, found the weights in it. Name the "
          + "folder: --checkpoint \(shellQuoted(parent))")
    }
    let checkpoint = Checkpoint(folder: folder)
    run = try checkpoint.readConfiguration()
    parameters = ParameterMemory(Codec<Device>.parameterLayout(run.tokenizer), on: Device())
    let weights = try checkpoint.readModel(into: parameters)
    identity = Checkpoint.identity(run.tokenizer, weights)
    codec = Codec(
      run.tokenizer, parameters: parameters, lanes: threads, pool: LanePool(threads: threads))
  }
}
